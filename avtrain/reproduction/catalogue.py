"""All published tables: their numbers, the command that makes each, and the data it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avtrain.reproduction.arithmetic import ArithmeticCheck
from avtrain.reproduction.mla import checks as mla_checks
from avtrain.reproduction.mla.missing_rates import NAME as TABLE_2
from avtrain.reproduction.mla.published import CELLS_1, CELLS_2, CELLS_3
from avtrain.reproduction.prompt_the_missing import checks as poster_checks
from avtrain.reproduction.prompt_the_missing.published import CIFAR_CELLS, EFFICIENCY_CELLS, URBANSOUND_CELLS
from avtrain.reproduction.published_cells import PublishedCell

POSTER = "prompt-the-missing"
RECORD = ("table", "row", "column", "published", "unit", "command", "data")  # of one number, in JSON and CSV


@dataclass(frozen=True)
class DataNeed:
    """The data that a number needs.

    Attributes:
        manifest: argument of the command; empty where the command takes none.
        data: how to get the data, or why they cannot be had.
    """

    manifest: str
    data: str


@dataclass(frozen=True)
class CataloguedTable:
    """One published table.

    Attributes:
        name: short, such as "M1".
        title: publication and table.
        command: of `avtrain reproduce`.
        options: of that command, beside manifests.
        unit: of the numbers.
        cells: its numbers.
        needs: label of the data set -> its data; the label "" stands for all rows.
    """

    name: str
    title: str
    command: str
    options: str
    unit: str
    cells: tuple[PublishedCell, ...]
    needs: Mapping[str, DataNeed]

    def need(self, cell: PublishedCell) -> DataNeed:
        """Return the data that a number needs."""
        return self.needs.get(cell.row[0]) or self.needs[""]

    def command_for(self, need: DataNeed) -> str:
        """Return the whole command that makes the numbers of some data."""
        return " ".join(word for word in ("avtrain reproduce", self.command, need.manifest, self.options) if word)


_URBANSOUND = DataNeed("manifests/urbansound8kav.yaml", "avbuild make urbansound8k-av --out data/")
_CIFAR = DataNeed("manifests/cifar10av.yaml", "avbuild make cifar10-av --out data/")
_BOTH = DataNeed(f"{_URBANSOUND.manifest} {_CIFAR.manifest}", "the poster does not name it; either of the two above")
_MLA_DATA = {
    "CREMA-D": DataNeed("manifests/cremad.yaml", "avbuild make crema-d --lists LISTS --out data/ (MLA's lists)"),
    "Kinetics-Sounds": DataNeed(
        "data/kinetics-sounds/manifest.yaml",
        "avbuild make kinetics-sounds --root VIDEOS --list LISTS --split published --out data/ (videos of your own)",
    ),
    "Food-101": DataNeed(
        "data/food-101/manifest.yaml",
        "avbuild make food-101 --root FOLDER --split published --out data/ (your copy)",
    ),
    "MVSA": DataNeed(
        "data/mvsa-single/manifest.yaml", "avbuild make mvsa-single --root FOLDER --split published --out data/"
    ),
    "IEMOCAP": DataNeed(
        "data/iemocap/manifest.yaml",
        "avbuild make iemocap --root FOLDER --out data/ (signed form; audio and text, without the image)",
    ),
}
_PUBLISHED = "--recipe published"

CATALOGUE = (
    CataloguedTable(
        "P1", "Poster, accuracy on UrbanSound8K-AV", POSTER, _PUBLISHED, "0 to 1", URBANSOUND_CELLS, {"": _URBANSOUND}
    ),
    CataloguedTable("P2", "Poster, accuracy on CIFAR10-AV", POSTER, _PUBLISHED, "0 to 1", CIFAR_CELLS, {"": _CIFAR}),
    CataloguedTable("P3", "Poster, efficiency", POSTER, _PUBLISHED, "of the column", EFFICIENCY_CELLS, {"": _BOTH}),
    CataloguedTable("M1", "MLA, CVPR 2024, Table 1", "mla-table1", _PUBLISHED, "%", CELLS_1, _MLA_DATA),
    CataloguedTable("M2", "MLA, CVPR 2024, Table 2", TABLE_2, "", "%", CELLS_2, {"": _MLA_DATA["IEMOCAP"]}),
    CataloguedTable("M3", "MLA, CVPR 2024, Table 3", "mla-table3", _PUBLISHED, "%", CELLS_3, _MLA_DATA),
)
CHECKS: Mapping[str, Sequence[ArithmeticCheck]] = {
    POSTER: poster_checks.CHECKS,
    "mla-table1": mla_checks.CHECKS,
    "mla-table2": mla_checks.CHECKS,
    "mla-table3": mla_checks.CHECKS,
}


def tables_of(command: str | None) -> tuple[CataloguedTable, ...]:
    """Return the tables of a command; None: all."""
    return tuple(table for table in CATALOGUE if command in (None, table.command))


def records(tables: Sequence[CataloguedTable]) -> list[dict[str, str]]:
    """Return one record a number, with the keys of RECORD."""
    found = []
    for table in tables:
        for cell in table.cells:
            need = table.need(cell)
            values = (table.name, ", ".join(cell.row), cell.column, cell.printed, table.unit)
            found.append(dict(zip(RECORD, (*values, table.command_for(need), need.data), strict=True)))
    return found
