"""The result of reading a source: items that know where their bytes are, problems, and credit."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from avbuild.dataset.splits import Split
from avbuild.modalities.text import UTF8, encode_text, read_text
from avbuild.modalities.video_frames import FPS
from avbuild.sources.label_map import ClassMatch
from avbuild.sources.names import printable


class Media(Protocol):
    """An encoded file that any worker process can read: picklable and small."""

    @property
    def name(self) -> str:
        """Name for messages."""
        ...

    def read(self) -> bytes:
        """Return the encoded bytes as the source holds them.  Raises OSError where they cannot be read."""
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
class SourceItem:
    """One audio clip, image, video or text of a source."""

    modality: str
    id: str  # unique in its source
    label: str  # class name
    media: Media
    group: str = ""  # items of one group must be in one split: the recording, the actor, or the item's own id
    fold: int = 0  # the publisher's fold, 0 where there is none
    split: Split | None = None  # the published split, where it is followed
    fps: float = FPS  # frames per second taken of a video
    encoding: str = UTF8  # of a text, where its source declares another one

    def readable(self, data: bytes) -> bytes:
        """Return what the modality reads: the bytes of the media, or UTF-8 for a text in another encoding.

        Raises Unreadable for a text that is not in its encoding.
        """
        return data if self.encoding == UTF8 else encode_text(read_text(data, self.encoding))


@dataclass(frozen=True, slots=True)
class Credit:
    """Name, terms and citation of a source."""

    name: str
    licence: str
    homepage: str
    citation: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that cannot be used, and why."""

    path: str
    what: str  # "missing", "empty", "unreadable: ...", "not in UrbanSound8K.csv"

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", printable(self.path))

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class Corpus:
    """All items of one modality from one source, and the files that cannot be used."""

    modality: str
    credit: Credit
    classes: tuple[str, ...]  # in the publisher's order, which is that of the class index
    items: tuple[SourceItem, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()  # for the card
    unwanted: tuple[Problem, ...] = ()  # usable files that the user's options leave out
    advice: str = ""  # what to do where many files are missing


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a builder reads, before items are paired into samples."""

    corpora: tuple[Corpus, ...]  # one a modality, in the order of the columns
    classes: tuple[str, ...]
    match: Mapping[str, ClassMatch] = field(default_factory=dict)  # class -> partner classes; empty: pair by id
    partner_classes: Mapping[str, Mapping[str, ClassMatch]] = field(default_factory=dict)  # modality -> its own match
    announcements: tuple[str, ...] = ()  # lines about the pairing, for the screen

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities in the order of the columns."""
        return tuple(corpus.modality for corpus in self.corpora)

    @property
    def given_splits(self) -> bool:
        """Whether every item is in a split that its source gives."""
        return all(item.split is not None for corpus in self.corpora for item in corpus.items)

    def of(self, modality: str) -> Corpus:
        """Return the corpus of a modality."""
        return next(corpus for corpus in self.corpora if corpus.modality == modality)

    def without(self, bad: set[tuple[str, str]]) -> "Material":
        """Return the material without some items.

        Args:
            bad: (modality, id) of each item to leave out.
        """
        return replace(
            self,
            corpora=tuple(
                replace(corpus, items=tuple(item for item in corpus.items if (item.modality, item.id) not in bad))
                for corpus in self.corpora
            ),
        )
