"""Odd tables of users: every row is a sample or has a problem with its line, or an error names the table."""

import csv
import io
from pathlib import Path

import pytest
from numpy.random import Generator, default_rng

from avbuild.errors import UsageError, UserError
from avbuild.sources.corpus import Material
from avbuild.sources.options import Options
from avbuild.sources.registry import BUILDERS, read_sources
from avbuild.sources.table_columns import parse_columns, roles_of
from tests.fuzz.damage import CASES, cases, no_hang
from tests.fuzz.test_tables import ODD
from tests.support.own_files import write_media

COLUMNS = ("id", "audio", "image", "text", "label", "group", "split", "fold")
ROWS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the tables name."""
    root = tmp_path_factory.mktemp("tables")
    for k in range(ROWS):
        write_media(root / f"{k}.wav", k)
        write_media(root / f"{k}.png", k)
    return root


def cells() -> list[list[str]]:
    return [
        [f"x{k}", f"{k}.wav", f"{k}.png", f"words {k}", "ab"[k % 2], f"g{k}", "train" if k < 14 else "test", str(k % 3)]
        for k in range(ROWS)
    ]


def encoded(rows: list[list[str]]) -> bytes:
    sink = io.StringIO(newline="")
    csv.writer(sink).writerows([COLUMNS, *rows])
    return sink.getvalue().encode("utf-8", "surrogateescape")


def read(path: Path) -> Material | None:
    """Return what a table holds, or None where one error refuses it, which names the table or an option."""
    options = Options(sources=path.parent, table=path, name="mine")
    with no_hang():
        try:
            return read_sources(BUILDERS["table"], options)
        except UserError as error:
            assert str(path) in str(error)
            assert len(str(error)) < 10_000
    return None


def check(material: Material | None, rows: int | None = None) -> None:
    """Every row is a sample with the same id in every column, or has a problem with its line."""
    if material is None:
        return
    first, *others = material.corpora
    ids = [item.id for item in first.items]
    assert len(set(ids)) == len(ids)
    assert all([item.id for item in other.items] == ids for other in others)
    assert all(item.label in material.classes for item in first.items)
    problems = [*first.problems, *material.faults]
    lines = {problem.path for problem in problems}
    assert all(" line " in line or line.endswith(".csv") for line in lines)
    assert all(problem.what for problem in problems)
    if rows is not None:
        assert len(ids) + len({problem.path for problem in first.problems}) == rows


def odd_table(rng: Generator) -> list[list[str]]:
    rows = cells()
    for _ in range(int(rng.integers(1, 8))):
        rows[rng.integers(ROWS)][rng.integers(len(COLUMNS))] = ODD[rng.integers(len(ODD))]
    return rows


def test_tables_with_odd_cells(folder: Path) -> None:
    path = folder / "odd.csv"
    for case in range(2 * CASES):
        rows = odd_table(default_rng(case))
        path.write_bytes(encoded(rows))
        check(read(path), ROWS)


def test_damaged_tables(folder: Path) -> None:
    path, data = folder / "damaged.csv", encoded(cells())
    for _, changed in cases(data, 2, 2 * CASES):
        path.write_bytes(changed)
        check(read(path))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".tsv"])
def test_bytes_of_another_format(suffix: str, folder: Path) -> None:
    path, data = folder / f"other{suffix}", encoded(cells())
    for _, changed in cases(data, 3):
        path.write_bytes(changed)
        found = read(path)
        assert found is None or suffix == ".tsv"


def test_any_value_of_columns_is_read_or_refused() -> None:
    words = ("text", "label", "=", ",", "audio", " ", "file_name", "", "a", "가", "==", "split")
    for case in range(5 * CASES):
        rng = default_rng(case)
        text = "".join(words[k] for k in rng.integers(len(words), size=int(rng.integers(0, 9))))
        try:
            roles = dict(parse_columns(text))
        except UsageError as error:
            assert "--columns" in str(error)
            continue
        try:
            assert set(roles_of(["label", "audio"], roles, "t.csv").values()) <= {"label", "audio"}
        except UsageError as error:
            assert "t.csv: its columns are" in str(error)
