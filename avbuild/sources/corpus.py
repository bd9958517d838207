"""What a source yields: clips and pictures that know where their bytes are, and whom to credit for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
WORDS = {"audio": "sound", "image": "picture", "video": "video"}  # what people call a modality


class Media(Protocol):
    """An encoded file that any worker process can read: picklable, and cheap to carry."""

    @property
    def name(self) -> str:
        """What to call it in an error and in the `path` field of the data set."""
        ...

    def read(self) -> bytes:
        """The encoded bytes, as the source holds them. Raises OSError where they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on disk."""

    path: str

    @property
    def name(self) -> str:
        return self.path

    def read(self) -> bytes:
        return Path(self.path).read_bytes()


@dataclass(frozen=True, slots=True)
class Clip:
    """One audio clip of a source."""

    modality: ClassVar[str] = "audio"
    id: str  # unique in its source
    label: str  # class name
    group: str  # recording it was cut from
    fold: int  # the publisher's fold, 0 where there is none
    media: Media
    split: Literal["train", "test"] | None = None  # of a published list that is followed, None where there is none


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a source."""

    modality: ClassVar[str] = "image"
    id: str  # unique in its source
    label: str  # class name
    split: Literal["train", "test"] | None  # the publisher's split, None where there is none
    media: Media


@dataclass(frozen=True, slots=True)
class Video(Picture):
    """A picture that moves: frames are taken from it."""

    modality: ClassVar[str] = "video"
    fps: float  # frames taken a second


@dataclass(frozen=True, slots=True)
class Credit:
    """Where data comes from and on what terms."""

    name: str
    licence: str
    homepage: str
    citation: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that cannot be used, and why."""

    path: str
    what: str  # "missing", "empty", "unreadable: ...", "not in UrbanSound8K.csv"

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class AudioCorpus:
    """All clips of one source, with the files that could not be used."""

    credit: Credit
    classes: tuple[str, ...]  # in the publisher's order: position is class index
    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()  # facts the card should tell
    unwanted: tuple[Problem, ...] = ()  # nothing is wrong with them, but what the user gave leaves them out


@dataclass(frozen=True, slots=True)
class PictureCorpus:
    """All pictures of one source, with the files that could not be used."""

    credit: Credit
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
