"""`build.json`: the record of how a data set was built, without times or paths of the machine."""

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import soundfile
from pydantic import SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from avbuild import __version__
from avbuild.dataset.damage import damaged, lfs_pointer
from avbuild.dataset.scenario_record import ScenarioRecord, contradictions, without_empty
from avbuild.dataset.splits import Split
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError
from avbuild.escaping import in_words, visible
from avbuild.frozen import Frozen
from avbuild.modalities.registry import MODALITIES
from avbuild.modalities.video_frames import pyav_versions
from avbuild.plugins.record import PluginRecord
from avbuild.scenarios.seeding import digest

FILE_NAME = "build.json"
OPTIONAL = ("description", "date_published", "plugins")  # not written where empty, as before there were such fields
REMEDY = (
    "put back a copy of it; or remove it and run the same avbuild make and avbuild corrupt again, which keep what is "
    "finished"
)
DEFAULT_GROUP = "recording"
Recipe = dict[str, str | int | float | bool | None]


class SourceRecord(Frozen):
    """One corpus that the data set was built from."""

    role: str  # the modality
    name: str
    licence: str
    homepage: str
    citation: str
    files: int  # number of files used
    sha256: str  # over (id, sha256 of the bytes) of the files used, in order of id


class LeftOutFile(Frozen):
    """A file that was not used, and why."""

    path: str  # relative to its source
    what: str


class MatchRecord(Frozen):
    """The classes of the other modality that a class is paired with."""

    partners: tuple[str, ...]
    by_index: bool  # matched by class index, because no label fits


class BuildRecord(Frozen):
    """The content of `build.json`."""

    build: int = 1
    name: str
    title: str
    description: str = ""  # by the user, for the card; left out of the file where empty
    date_published: str = ""  # YYYY-MM-DD; likewise
    builder: str
    recipe: Recipe  # options that decide the bytes
    job: str  # hash of recipe and sources
    classes: tuple[str, ...]
    sources: tuple[SourceRecord, ...]
    split: str
    leaky: bool
    groups: dict[Split, int]
    per_class: dict[Split, dict[str, int]]
    clips: int  # distinct audio clips
    pictures: int  # distinct images or videos
    pairing: dict[str, MatchRecord]
    notes: tuple[str, ...]
    left_out: tuple[LeftOutFile, ...]
    versions: dict[str, str]
    scenarios: dict[str, ScenarioRecord]
    plugins: tuple[PluginRecord, ...] = ()  # that the clean data were made with; those of scenarios are recorded there
    seal: str = ""  # hash of all the above, by which a damaged file is noticed; versions before 0.2 wrote none

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "BuildRecord":
        if self.seal and self.seal != self._seal():
            raise ValueError("its content does not fit its hash, so it changed since it was written")
        if missing := [key for key, held in (("seed", self.recipe), ("avbuild", self.versions)) if key not in held]:
            raise ValueError(f"{missing[0]}: not recorded")
        if problem := next(contradictions(self.scenarios, self.classes, self.per_class, self.groups), None):
            raise ValueError(problem)
        return self

    @model_serializer(mode="wrap")
    def _without_empty(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_empty(serialise(self), OPTIONAL)

    def _seal(self) -> str:
        return digest(self._content())

    def _content(self) -> dict[str, object]:
        """Return what the file holds, but for the seal."""
        return self.model_dump(mode="json", exclude={"seal"})

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that the rows have columns for, in the order of the columns."""
        splits = next(iter(self.scenarios.values())).splits
        return tuple(next(iter(splits.values())).missing)

    @property
    def all_plugins(self) -> tuple[PluginRecord, ...]:
        """Plug-ins that any part of the data set was made with, each once."""
        of_scenarios = (record for scenario in self.scenarios.values() for record in scenario.plugins)
        found = {(record.group, record.key, record.digest): record for record in (*self.plugins, *of_scenarios)}
        return tuple(found.values())

    @property
    def visuals(self) -> tuple[str, ...]:
        """The modalities that show something: image, video, both or none."""
        return tuple(modality for modality in self.modalities if MODALITIES[modality].visual)

    @property
    def pair(self) -> str:
        """The nouns of the modalities, for messages: "audio clip and image"."""
        return in_words([MODALITIES[modality].noun for modality in self.modalities])

    @property
    def rows_noun(self) -> str:
        """The noun for its rows: pairs where there are two modalities, or else samples."""
        count = len(self.modalities)
        return f"{'pairs' if count == 2 else 'samples'} of {self.pair}" if count > 1 else "samples"

    @property
    def distinct(self) -> str:
        """The number of different files of each modality, for messages."""
        return in_words([f"{source.files:,} distinct {MODALITIES[source.role].nouns}" for source in self.sources])

    @property
    def group_name(self) -> str:
        """The kind of a group, such as recording or actor; the recipe names it where it is not a recording."""
        return str(self.recipe.get("group", DEFAULT_GROUP))

    def write(self, folder: Folder) -> None:
        """Write `build.json`; the same build always gives the same bytes."""
        sealed = {**self._content(), "seal": self._seal()}
        text = json.dumps(sealed, indent=1, ensure_ascii=False)
        folder.write(FILE_NAME, (text + "\n").encode())


def read_build(folder: Folder) -> BuildRecord:
    """Read `build.json`.

    Args:
        folder: of the data set.

    Raises UserError where the file is missing, or not as avbuild writes it.
    """
    path = folder.path(FILE_NAME)
    try:
        data = folder.read(FILE_NAME)
    except FileNotFoundError:
        started = any(name.endswith(".parquet") for name in folder.names())
        state = "not finished: run the same avbuild make again" if started else "there is no data set"
        raise UserError(f"{path}: missing, {state} (avbuild list shows what can be made)") from None
    try:
        return BuildRecord.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        what = lfs_pointer(data) or visible(f"{place}: {first['msg']}" if place else first["msg"])
        raise damaged(path, what, REMEDY) from None


def library_versions(videos: bool = False) -> dict[str, str]:
    """Return the versions for which identical bytes are promised, by name of library.

    Args:
        videos: whether frames were decoded from videos.
    """
    packages: Sequence[str] = ("numpy", "pillow", "pyarrow", "scipy", "soundfile", "soxr")
    return {
        "avbuild": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{package: version(package) for package in packages},
        "libsndfile": soundfile.__libsndfile_version__,
        **(pyav_versions() if videos else {}),
    }
