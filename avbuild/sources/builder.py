"""The declaration of a data set that `avbuild make` can build; each corpus file ends with its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from avbuild.dataset.shards import ROWS_PER_SHARD
from avbuild.sources.corpus import Corpus, Material
from avbuild.sources.options import Options


@dataclass(frozen=True, slots=True)
class AnyCorpus:
    """Readers of a modality from whichever corpus the options name."""

    audio: Callable[[Options], Corpus]
    images: Callable[[Options], Corpus]


@dataclass(frozen=True, slots=True)
class Builder:
    """One data set that can be made."""

    name: str
    title: str
    needs: str  # for `avbuild list`
    licence: str
    read: Callable[[Options, AnyCorpus], Material]
    modalities: tuple[str, ...] = ("audio", "image")
    anchor: Literal["audio", "image"] = "audio"  # the modality of which each item becomes one sample
    group: str = "recording"  # what a group is
    options: frozenset[str] = frozenset()  # fields of Options that it has a use for, beside those of every data set
    examples: tuple[str, ...] = ()  # command lines for `avbuild make --help`
    severity: int = 3  # of its default scenarios
    rows_per_shard: int = ROWS_PER_SHARD
    synthetic: bool = False  # its media are computed, so there is nothing to check
