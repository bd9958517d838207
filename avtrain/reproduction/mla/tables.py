"""Rows of MLA's Tables 1 and 3, and the published numbers that they are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbuild.errors import UsageError, nearest
from avbuild.scenarios.manifest import Manifest
from avtrain.data.shard_files import stored_modalities
from avtrain.methods.registry import find_method, method_config
from avtrain.reproduction.fit_options import Options, planned_config
from avtrain.reproduction.mla import published
from avtrain.reproduction.mla.other_runs import OTHER_RUNS
from avtrain.reproduction.mla.published import Claim
from avtrain.reproduction.published_cells import PublishedCell
from avtrain.reproduction.system import System

REFERENCE = "concat"  # times per epoch are relative to it


@dataclass(frozen=True)
class PublishedTable:
    """One table of the paper.

    Attributes:
        name: of its command and its files.
        title: of its page.
        systems: its rows.
        claims: the published numbers, and other people's of the same methods.
    """

    name: str
    title: str
    systems: tuple[System, ...]
    claims: tuple[Claim, ...]

    @property
    def cells(self) -> tuple[PublishedCell, ...]:
        """Return the cells of the published table."""
        return tuple(claim.cell for claim in self.claims if claim.cell is not None)


def _system(name: str, method: str = "", **options: str) -> System:
    """Return a row that is trained on clean data, as in the paper."""
    return System(name=name, method=method or name, train_on="clean", method_options=tuple(options.items()))


_MLA = _system("mla", hgm="rls", fusion="entropy")  # in both tables, and trained only once

TABLE_1 = PublishedTable(
    "mla-table1",
    "Table 1 of MLA (CVPR 2024), with newer methods, reproduced",
    (
        *(_system(name) for name in ("sum", "concat", "film", "gated", "ogm-ge", "qmf", "late-fusion")),
        _MLA,
        *(_system(name) for name in ("mmpareto", "recon-boost", "lfm")),  # not in the paper
    ),
    (*published.TABLE_1, *OTHER_RUNS),
)

TABLE_3 = PublishedTable(
    "mla-table3",
    "Table 3 of MLA (CVPR 2024): head gradient modification and dynamic fusion, reproduced",
    (
        _system(REFERENCE),
        _system("mla-off-mean", "mla", hgm="off", fusion="mean"),  # called Late Fusion in Table 1
        _system("mla-off-entropy", "mla", hgm="off", fusion="entropy"),
        _system("mla-rls-mean", "mla", hgm="rls", fusion="mean"),
        _MLA,
        # what the released code does: the modification has no effect, the fusion has one weight per batch
        _system("mla-released-fixed", "mla", hgm="as_released_unrepaired", fusion="fixed"),
        _system("mla-released", "mla", hgm="as_released_unrepaired", fusion="entropy_as_released"),
        # the same with the modification repaired, so that it runs
        _system("mla-repaired-entropy", "mla", hgm="as_released", fusion="entropy"),
        _system("mla-repaired", "mla", hgm="as_released", fusion="entropy_as_released"),
    ),
    published.TABLE_3,
)

TABLES = {table.name: table for table in (TABLE_1, TABLE_3)}


def choose_rows(table: PublishedTable, asked: str) -> tuple[System, ...]:
    """Return the rows asked for, in the order of the table.

    Args:
        table: to choose from.
        asked: names of rows or methods, joined by commas; "all" for every row.

    Raises UsageError where a name is unknown.
    """
    if asked == "all":
        return table.systems
    words = [word.strip() for word in asked.split(",")]
    known = list(dict.fromkeys(word for system in table.systems for word in (system.name, system.method)))
    if unknown := [word for word in words if word not in known]:
        raise UsageError(
            f'--methods: no "{unknown[0]}"{nearest(unknown[0], known)}; allowed: all, or some of {", ".join(known)}'
        )
    return tuple(system for system in table.systems if {system.name, system.method} & set(words))


def unfit_rows(
    systems: tuple[System, ...],
    manifests: Sequence[Manifest],
    options: Options,
    settings: Mapping[str, Options],
) -> dict[str, str]:
    """Return the rows that cannot be trained on the modalities of a data set, with the reason of each.

    Args:
        systems: rows of a table.
        manifests: of the data sets; one whose data are not there leaves nothing out.
        options: of every fit.
        settings: method or system -> options of its fits.

    Raises UsageError where an option is unknown.
    """
    reasons: dict[str, str] = {}
    kinds = dict.fromkeys(found for manifest in manifests if (found := stored_modalities(manifest)))
    for system in systems:
        own = planned_config(system, options, settings, 1.0, None).method_options
        for modalities in kinds:
            try:
                find_method(system.method).check_modalities(modalities, method_config(system.method, own))
            except UsageError as error:
                reasons[system.name] = str(error)
    return reasons
