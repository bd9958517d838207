"""The declaration of a data set that `avbuild make` can build; each corpus file ends with its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from avbuild.dataset.shards import ROWS_PER_SHARD
from avbuild.plugins.source import PluginSource
from avbuild.sources.corpus import Corpus, Material
from avbuild.sources.options import Options


@dataclass(frozen=True, slots=True)
class AnyCorpus:
    """Readers that return a modality from whichever corpus the options name."""

    audio: Callable[[Options], Corpus]
    images: Callable[[Options], Corpus]


@dataclass(frozen=True, slots=True)
class Builder:
    """A data set that `avbuild make` can build."""

    plugin_group: ClassVar[str] = "avbuild.sources"

    name: str
    title: str
    needs: str  # sources it is built from, for `avbuild list`
    licence: str
    read: Callable[[Options, AnyCorpus], Material]
    modalities: tuple[str, ...] = ("audio", "image")
    anchor: Literal["audio", "image"] = "audio"  # each item of this modality becomes one sample
    group: str = "recording"  # what a group is called
    options: frozenset[str] = frozenset()  # fields of Options that it uses, besides those that all data sets use
    examples: tuple[str, ...] = ()  # command lines for `avbuild make --help`
    severity: int = 3  # of the default scenarios
    rows_per_shard: int = ROWS_PER_SHARD
    synthetic: bool = False  # media are computed, so there are no files to check
    own_files: bool = False  # of the user: the user names the data set, and every file that is not used is recorded
    splits: frozenset[str] = frozenset({"grouped", "random70"})  # values of --split that it has
    folds: int = 10  # number of official folds, which --folds all stands for
    unit: Literal["files", "rows"] = "files"  # what cannot be used where there is a problem
    plugin: PluginSource | None = None  # that defines it; None: avbuild does

    def follows(self, material: Material) -> bool:
        """Whether the splits that all items have are kept as they are."""
        return material.given_splits and (self.own_files or bool(material.split_source))
