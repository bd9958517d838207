"""`build.json`: what was got when a data set was built. No times and no paths of the builder's machine in it."""

import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version

import soundfile
from pydantic import ValidationError

from avbuild import __version__
from avbuild.dataset.shards import ShardRecord
from avbuild.dataset.splits import Split
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError
from avbuild.frozen import Frozen
from avbuild.modalities.registry import MODALITIES, visual_of
from avbuild.modalities.video_frames import pyav_versions
from avbuild.scenarios.seeding import digest

FILE_NAME = "build.json"
DEFAULT_GROUP = "recording"
Recipe = dict[str, str | int | float | bool | None]


class SourceRecord(Frozen):
    """One corpus the data set was built from."""

    role: str  # "audio", "image", "video"
    name: str
    licence: str
    homepage: str
    citation: str
    files: int  # used
    sha256: str  # over (id, sha256 of the bytes) of the files used, in order of id


class LeftOut(Frozen):
    """A file that was not used, and why."""

    path: str  # relative to its source
    what: str


class Match(Frozen):
    """Which classes of the other modality serve a class."""

    partners: tuple[str, ...]
    by_index: bool  # no class fits, so the class index decided


class Made(Frozen):
    """Rows of a scenario in one split."""

    rows: int
    shards: tuple[ShardRecord, ...]

    @property
    def missing(self) -> dict[str, int]:
        """Rows without a modality, by modality."""
        return {m: sum(shard.missing[m] for shard in self.shards) for m in self.shards[0].missing}


class ScenarioRecord(Frozen):
    """One scenario on disk."""

    seed: int
    hash: str  # of its spec, its seed and the versions of its ops
    content: str  # of all its rows
    splits: dict[Split, Made]


class BuildRecord(Frozen):
    """All of `build.json`."""

    build: int = 1
    name: str
    title: str
    builder: str
    recipe: Recipe  # the options that decided the bytes
    job: str  # hash of recipe and sources
    classes: tuple[str, ...]
    sources: tuple[SourceRecord, ...]
    split: str
    leaky: bool
    groups: dict[Split, int]
    per_class: dict[Split, dict[str, int]]
    clips: int  # distinct
    pictures: int  # distinct; or videos
    pairing: dict[str, Match]
    notes: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    versions: dict[str, str]
    scenarios: dict[str, ScenarioRecord]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that its rows have columns for, in their order."""
        splits = next(iter(self.scenarios.values())).splits
        return tuple(next(iter(splits.values())).missing)

    @property
    def visual(self) -> str:
        """The modality that shows something: image or video."""
        return visual_of(self.modalities)

    @property
    def pair(self) -> str:
        """What one sample is made of, for people: "audio clip and image"."""
        return " and ".join(MODALITIES[modality].noun for modality in self.modalities)

    @property
    def group_name(self) -> str:
        """What a group is, such as a recording or an actor; written where it is not a recording."""
        return str(self.recipe.get("group", DEFAULT_GROUP))

    def write(self, folder: Folder) -> None:
        """Write it; always the same bytes for the same build."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        folder.write(FILE_NAME, (text + "\n").encode())


def read_build(folder: Folder) -> BuildRecord:
    """Read `build.json`.  Raises UserError where it is absent or not what `avbuild make` writes."""
    try:
        return BuildRecord.model_validate_json(folder.read(FILE_NAME))
    except FileNotFoundError:
        begun = any(name.endswith(".parquet") for name in folder.names())
        state = "not finished: run the same avbuild make again" if begun else "no data set there"
        raise UserError(f"{folder.path(FILE_NAME)}: missing, {state} (avbuild list shows what can be made)") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{folder.path(FILE_NAME)}: damaged at {place}: {first['msg']}") from None


def scenario_content(made: Iterable[Made]) -> str:
    """One hash for all rows of a scenario."""
    return digest([shard.content for part in made for shard in part.shards])


def library_versions(videos: bool = False) -> dict[str, str]:
    """The versions that byte-identity is promised for.  videos: whether frames were taken from videos."""
    packages: Sequence[str] = ("numpy", "pillow", "pyarrow", "scipy", "soundfile", "soxr")
    return {
        "avbuild": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{package: version(package) for package in packages},
        "libsndfile": soundfile.__libsndfile_version__,
        **(pyav_versions() if videos else {}),
    }
