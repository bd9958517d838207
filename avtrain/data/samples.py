"""The samples of a split: encoded media with label, group and fold, as lists in memory or as views of a file."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

Media = bytes | tuple[bytes, ...]  # an encoded file, or the encoded frames of a video in order of time


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a data set, still encoded.

    Attributes:
        id: unique in the data set.
        media: encoded files by modality, without modalities that are missing; of a row on disk they are read on access.
        label: class index.
        group: recording or speaker, which no honest split shares between its parts.
        fold: of the source corpus, where it defines folds.
    """

    id: str
    media: Mapping[str, Media]
    label: int
    group: str
    fold: int


@dataclass(frozen=True)
class Rows:
    """The rows of one split.

    Attributes:
        samples: in the order of the shards.
        classes: names, in the order of the class indices.
        modalities: of the data set, in its order.
        scenario: corruption that the files already have: C for none, else a scenario read from disk.
    """

    samples: Sequence[Sample]
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    scenario: str

    def pick(self, indices: Sequence[int]) -> "Rows":
        """Return some of the rows, in the order of the indices, without copying their media."""
        return replace(self, samples=PickedSamples(self.samples, np.asarray(indices, dtype=np.int64)))

    def joined(self, other: "Rows") -> "Rows":
        """Return these rows and those of another split of the same data set, without copying their media."""
        return replace(self, samples=JoinedSamples(self.samples, other.samples))

    def only(self, modalities: tuple[str, ...]) -> "Rows":
        """Return the rows with some of their modalities, without copying their media."""
        everything = np.arange(len(self.samples))
        return replace(self, samples=PickedSamples(self.samples, everything, modalities), modalities=modalities)


class LazySamples(Sequence[Sample]):
    """Samples that are made when they are used."""

    @abstractmethod
    def sample(self, index: int) -> Sample:
        """Return one sample; index: from 0."""

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        rows = range(len(self))[index]  # resolves negative indices, and raises IndexError
        return self.sample(rows) if isinstance(rows, int) else [self.sample(row) for row in rows]


@dataclass(frozen=True)
class PickedSamples(LazySamples):
    """Some samples of others, in another order or with fewer modalities.

    Attributes:
        samples: the others.
        indices: of the samples that are taken.
        modalities: that they keep; None: all.
    """

    samples: Sequence[Sample]
    indices: NDArray[np.int64]
    modalities: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def sample(self, index: int) -> Sample:
        """Return one sample."""
        found = self.samples[int(self.indices[index])]
        return found if self.modalities is None else replace(found, media=SomeMedia(found.media, self.modalities))


@dataclass(frozen=True)
class JoinedSamples(LazySamples):
    """The samples of one sequence, then those of another.

    Attributes:
        first: some samples.
        second: those after them.
    """

    first: Sequence[Sample]
    second: Sequence[Sample]

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def sample(self, index: int) -> Sample:
        """Return one sample."""
        return self.first[index] if index < len(self.first) else self.second[index - len(self.first)]


@dataclass(frozen=True)
class SomeMedia(Mapping[str, Media]):
    """The media of a sample without those of other modalities.

    Attributes:
        media: of the sample.
        modalities: that it keeps, where it has them.
    """

    media: Mapping[str, Media]
    modalities: tuple[str, ...]

    def __getitem__(self, modality: str) -> Media:
        if modality not in self.modalities:
            raise KeyError(modality)
        return self.media[modality]

    def __iter__(self) -> Iterator[str]:
        return (modality for modality in self.modalities if modality in self.media)

    def __len__(self) -> int:
        return sum(1 for _ in self)
