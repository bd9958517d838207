"""`build.json`: the record of how a data set was built, without times or paths of the machine."""

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
    """One corpus that the data set was built from."""

    role: str  # "audio", "image", "video"
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


class SplitRecord(Frozen):
    """The rows and shards of a scenario in one split."""

    rows: int
    shards: tuple[ShardRecord, ...]

    @property
    def missing(self) -> dict[str, int]:
        """Number of rows without a modality, by modality."""
        return {m: sum(shard.missing[m] for shard in self.shards) for m in self.shards[0].missing}


class ScenarioRecord(Frozen):
    """One scenario on disk."""

    seed: int
    hash: str  # of its spec, its seed and the versions of its ops
    content: str  # of all its rows
    splits: dict[Split, SplitRecord]


class BuildRecord(Frozen):
    """The content of `build.json`."""

    build: int = 1
    name: str
    title: str
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

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities that the rows have columns for, in the order of the columns."""
        splits = next(iter(self.scenarios.values())).splits
        return tuple(next(iter(splits.values())).missing)

    @property
    def visual(self) -> str:
        """The visual modality: image or video."""
        return visual_of(self.modalities)

    @property
    def pair(self) -> str:
        """The nouns of the modalities, for messages: "audio clip and image"."""
        return " and ".join(MODALITIES[modality].noun for modality in self.modalities)

    @property
    def group_name(self) -> str:
        """The kind of a group, such as recording or actor; the recipe names it where it is not a recording."""
        return str(self.recipe.get("group", DEFAULT_GROUP))

    def write(self, folder: Folder) -> None:
        """Write `build.json`; the same build always gives the same bytes."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        folder.write(FILE_NAME, (text + "\n").encode())


def read_build(folder: Folder) -> BuildRecord:
    """Read `build.json`.

    Args:
        folder: of the data set.

    Raises UserError where the file is missing or not as `avbuild make` writes it.
    """
    try:
        return BuildRecord.model_validate_json(folder.read(FILE_NAME))
    except FileNotFoundError:
        started = any(name.endswith(".parquet") for name in folder.names())
        state = "not finished: run the same avbuild make again" if started else "there is no data set"
        raise UserError(f"{folder.path(FILE_NAME)}: missing, {state} (avbuild list shows what can be made)") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{folder.path(FILE_NAME)}: damaged at {place}: {first['msg']}") from None


def scenario_content(splits: Iterable[SplitRecord]) -> str:
    """Return one hash for all rows of a scenario.

    Args:
        splits: of the scenario, in the order of its record.
    """
    return digest([shard.content for split in splits for shard in split.shards])


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
