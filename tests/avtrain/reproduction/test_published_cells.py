"""All 310 numbers of both publications: how many there are, their sums, and what follows from them by arithmetic."""

import csv
import io
import json
import re
from collections.abc import Sequence

import pytest

from avbuild.errors import UsageError
from avtrain.reproduction.arithmetic import rounds_to
from avtrain.reproduction.catalogue import CATALOGUE, CHECKS, records
from avtrain.reproduction.listing import listing
from avtrain.reproduction.mla.missing_rates_verdicts import judge_nothing
from avtrain.reproduction.mla.published import CELLS_1, CELLS_2, CELLS_3
from avtrain.reproduction.mla.tables import TABLE_1, TABLE_3
from avtrain.reproduction.prompt_the_missing.published import (
    ACCURACIES,
    CIFAR_CELLS,
    EFFICIENCY,
    EFFICIENCY_CELLS,
    URBANSOUND_CELLS,
)
from avtrain.reproduction.published_cells import PublishedCell, by_place
from avtrain.reproduction.verdict import NOT_COMPARABLE, NOT_RUN, REPRODUCED, JudgedNumber, Verdict, count_line, tally
from tests.avtrain.training.test_fit import avtrain_

# In Table 3 of MLA a modality's own scores stand for two columns each, since fusion does not touch them: "neither" is
# also "DF alone", and "HGM alone" is also "both".  Such a place is no number of its own, so a row of one modality has
# two numbers and a row of all has four: 11 * 2 + 5 * 4 = 42, and 20 + 20 + 16 + 128 + 84 + 42 = 310.
COUNTS = {"P1": 20, "P2": 20, "P3": 16, "M1": 128, "M2": 84, "M3": 42}

# sums of the rows in hundredths, added up from the publications and not from the files of the package
SUMS = {
    "P1": [394, 335, 331, 320, 345],
    "P2": [369, 313, 315, 289, 321],
    "P3": [24238, 5076, 6157, 2428],
    "M1": [
        *(43978, 26073, 51903),
        *(39956, 25583, 52501),
        *(22311, 68424, 71254),
        *(59403, 27625, 61487),
        *(33936, 24821, 55236, 60397),
    ],
    "M2": [42195, 43677, 37011, 29762, 35156, 39148, 38954, 44434, 42666, 35370, 42469, 46141],
    "M3": [
        *(11144, 12039, 29332),
        *(10253, 9779, 27394),
        *(17166, 12806, 36663),
        *(14787, 10023, 31394),
        *(8941, 14201, 7001, 30688),
    ],
}


def row_sums(cells: Sequence[PublishedCell]) -> list[int]:
    sums: dict[tuple[str, ...], float] = {}
    for cell in cells:
        sums[cell.row] = sums.get(cell.row, 0.0) + 100 * cell.number
    return [round(total) for total in sums.values()]


@pytest.mark.parametrize("table", CATALOGUE, ids=lambda table: table.name)
def test_every_table_has_all_its_numbers(table) -> None:  # type: ignore[no-untyped-def]
    assert len(table.cells) == COUNTS[table.name]
    assert len({(cell.row, cell.column) for cell in table.cells}) == len(table.cells)
    assert {cell.table for cell in table.cells} == {table.name}
    assert row_sums(table.cells) == SUMS[table.name]


def test_some_cells_are_those_of_the_publications() -> None:
    assert by_place(URBANSOUND_CELLS)["A", "Prompt learning"].printed == "0.94"
    assert by_place(CIFAR_CELLS)["V", "Adapter"].printed == "0.85"
    assert by_place(EFFICIENCY_CELLS)["LoRA", "total memory (GiB)"].printed == "27.2"
    assert by_place(CELLS_1)["Kinetics-Sounds", "audio", "MLA"].printed == "54.67"
    assert by_place(CELLS_1)["Food-101", "image", "BiGated"].printed == "14.20"
    assert by_place(CELLS_2)["DCCA", "70"].printed == "41.09"
    assert by_place(CELLS_3)["Kinetics-Sounds", "audio", "HGM alone"].printed == "54.66"
    assert ("CREMA-D", "audio", "DF alone") not in by_place(CELLS_3)


def test_every_number_is_judged_by_its_command() -> None:
    """No cell is left out, and none stands twice; all are seen in the publication."""
    poster = [*ACCURACIES, *EFFICIENCY]
    judged = {
        "prompt-the-missing": [claim.cell for claim in poster if claim.cell],
        "mla-table1": list(TABLE_1.cells),
        "mla-table2": [number.cell for number in judge_nothing()],
        "mla-table3": list(TABLE_3.cells),
    }
    for command, cells in judged.items():
        wanted = [cell for table in CATALOGUE if table.command == command for cell in table.cells]
        assert sorted(map(str, cells)) == sorted(map(str, wanted))
    assert sum(map(len, judged.values())) == 310
    for claim in (*poster, *TABLE_1.claims, *TABLE_3.claims):
        assert (claim.confidence == "seen") == (claim.cell is not None)
        assert claim.source.startswith(("Poster, table", "MLA, CVPR 2024, Table")) == (claim.cell is not None)


def test_a_claim_has_the_value_of_its_cell() -> None:
    for claim in (*TABLE_1.claims, *TABLE_3.claims):
        if claim.cell:
            assert claim.value == pytest.approx(claim.cell.number / 100)
            assert claim.part == claim.cell.row[1]
    for accuracy in ACCURACIES:
        assert accuracy.cell is None or accuracy.value == accuracy.cell.number
    memory = next(claim for claim in EFFICIENCY if claim.says == "LoRA needs 27.2 GiB")
    assert memory.value == 27.2 * 2**30


class TestArithmetic:
    def test_what_holds_and_what_does_not(self) -> None:
        words = {check.says: check.word for check in CHECKS["prompt-the-missing"]}
        assert words == {
            "prompt learning trains 3.7 % of the weights": "holds",
            "prompt learning takes 96 % less time": "holds",
            "prompt learning needs 82.3 % less memory": "does not hold",
            "prompt learning is up to 10.4 % more accurate": "does not hold",
            "prompt learning has an accuracy of 0.88 (efficiency table, data not named)": "does not hold",
            "noise to both (D) is at least as strong as noise to audio (A) or vision (V)": "does not hold",
            "the averages on UrbanSound8K-AV follow from their columns": "holds",
            "the averages on CIFAR10-AV follow from their columns": "holds",
        }

    def test_the_numbers_that_decide_are_shown(self) -> None:
        shown = " ".join(check.working for check in CHECKS["prompt-the-missing"])
        for number in ("81.3 %", "10.50 points over CAV-MAE", "0.71 under D, 0.69 under A", "96.0 %", "0.7225"):
            assert number in shown
        of_mla = " ".join(check.working for check in CHECKS["mla-table1"])
        for number in ("16 of 16", "54.67 and 54.66", "from 33.65 at 60 % to 41.09 at 70 %", "75.07 and 78.92"):
            assert number in of_mla

    def test_they_are_computed_from_the_cells(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from avtrain.reproduction.prompt_the_missing import checks

        harder = tuple(
            PublishedCell(c.table, c.row, c.column, "0.10" if c.row == ("D",) else c.printed) for c in URBANSOUND_CELLS
        )
        assert not checks.both_at_least_as_hard().holds
        monkeypatch.setattr(checks, "TABLES", {"UrbanSound8K-AV": harder})
        assert checks.both_at_least_as_hard().holds
        assert not checks.averages_follow("UrbanSound8K-AV").holds

    @pytest.mark.parametrize(
        ("computed", "stated", "holds"),
        [
            (0.805, "0.80", True),
            (0.805, "0.81", True),
            (0.8051, "0.80", False),
            (81.28, "82.3", False),
            (96, "96", True),
        ],
    )
    def test_half_of_the_last_digit_is_rounding(self, computed: float, stated: str, holds: bool) -> None:
        assert rounds_to(computed, stated) is holds


def test_each_cell_counts_once_with_its_best_verdict() -> None:
    cells = [PublishedCell("T", (str(i),), "x", "0.5") for i in range(4)]

    def number(cell: PublishedCell | None, word: str) -> JudgedNumber:
        return JudgedNumber(cell, (), "", "", Verdict(word, ()))

    judged = [
        number(cells[0], NOT_COMPARABLE), number(cells[0], REPRODUCED), number(cells[1], NOT_RUN),
        number(cells[2], NOT_COMPARABLE), number(None, REPRODUCED),
    ]  # fmt: skip
    counts = tally(cells, judged)
    assert counts == {"reproduced": 1, "not reproduced": 0, "not comparable": 1, "not run": 2}
    expected = "t, 4 published numbers: 1 reproduced, 0 not reproduced, 1 not comparable, 2 not run"
    assert count_line("t", counts) == expected


class TestListing:
    def test_all_numbers_have_a_command_and_data(self) -> None:
        said = avtrain_("reproduce", "--list")
        assert "310 published numbers in 6 tables" in said
        assert "CREMA-D, 24 numbers: avtrain reproduce mla-table1 manifests/cremad.yaml --recipe published" in said
        assert "does not hold: prompt learning needs 82.3 % less memory" in said
        grid = [line.split() for line in said.splitlines() if re.match(r"  +MVSA +multi ", line)]
        assert grid[0][2:] == ["76.19", "76.25", "76.88", "75.34", "75.94", "76.37", "77.96", "79.94"]
        assert grid[1][2:] == ["76.88", "77.53", "79.59", "79.94"]

    def test_json_and_csv_have_a_record_a_number(self) -> None:
        as_json = json.loads(avtrain_("reproduce", "--list", "--format", "json"))
        as_csv = list(csv.DictReader(io.StringIO(avtrain_("reproduce", "--list", "--format", "csv"))))
        assert as_json == as_csv == records(CATALOGUE)
        assert len(as_json) == 310
        assert all(all(record.values()) for record in as_json)

    @pytest.mark.parametrize(
        ("command", "count"), [("poster", 56), ("prompt-the-missing", 56), ("mla-table1", 128), ("mla-table2", 84)]
    )
    def test_a_command_lists_its_own(self, command: str, count: int) -> None:
        assert f"\n{count} published numbers in" in avtrain_("reproduce", command, "--list")

    def test_a_wrong_format_is_explained(self) -> None:
        with pytest.raises(UsageError, match='no "jsn"; did you mean "json"'):
            listing(None, "jsn")

    def test_a_list_before_a_command_is_explained(self) -> None:
        with pytest.raises(UsageError, match="avtrain reproduce mla-table2 --list"):
            avtrain_("reproduce", "--list", "mla-table2")


def test_table_2_is_not_run_and_says_why(tmp_path) -> None:  # type: ignore[no-untyped-def]
    said = avtrain_("reproduce", "mla-table2", "--out", tmp_path)
    assert "0 reproduced, 0 not reproduced, 0 not comparable, 84 not run" in said
    assert "no manifest of a data set was given" in said
    assert "avtrain has no method QMF" not in said
    assert "55.29  53.65  52.52  51.01  49.09  47.38  44.76" in said
    found = json.loads((tmp_path / "mla-table2.json").read_text())
    assert len(found["published"]) == 84
    assert all(number["measured"] == "" and number["verdict"]["why"] for number in found["published"])
    page = (tmp_path / "mla-table2.html").read_text()
    assert page.count("<td>DCCAE</td>") == 1
    assert "<div class=scroll><table>" in page
