"""Damaged and odd tables: what is read is what the table says, or an error names the file."""

import csv
import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from numpy.random import default_rng

from avbuild.errors import UserError
from avbuild.sources import esc50, urbansound8k_table
from avbuild.sources.crema_d_lists import read_lists
from avbuild.sources.urbansound8k_table import CLASSES, COLUMNS
from tests.fuzz.damage import CASES, cases, no_hang

ODD = (
    "", " ", "-1", "0", "11", "1.0", "1e1", "0x1", "01", "²", "٣", "nan", "9" * 5_000, "../x.wav", "..", "/etc/passwd",
    "a/b.wav", "a\\b", "가" * 100, "a\nb", '"', "'", ",", "\t", "\x1b[1m", "dog_bark", "siren", "x" * 140_000, "é", "é",
)  # fmt: skip


def us8k_rows() -> list[list[str]]:
    names = [(f"{100 + row}", row % 10, row % 7) for row in range(40)]
    return [[f"{r}-{c}-0-{s}.wav", r, "0", "4", "1", str(1 + c), str(c), CLASSES[c]] for r, c, s in names]


def esc50_rows() -> list[list[str]]:
    return [[f"{1 + n % 5}-{n}-A-{n % 50}.wav", str(1 + n % 5), str(n % 50), f"c{n % 50}", str(n)] for n in range(60)]


US8K = (list(COLUMNS), us8k_rows, urbansound8k_table.read_table)
ESC50 = (["filename", "fold", "target", "category", "src_file"], esc50_rows, esc50.read_table)
Table = tuple[list[str], Callable[[], list[list[str]]], Callable[[Path], list[object]]]


def encoded(header: list[str], rows: list[list[str]]) -> bytes:
    sink = io.StringIO(newline="")
    csv.writer(sink).writerows([header, *rows])
    return sink.getvalue().encode()


def check(read: Callable[[Path], list[object]], path: Path) -> None:
    """Read a table: an error names the file on a screen, or every row keeps the rules."""
    with no_hang():
        try:
            rows = read(path)
        except UserError as error:
            assert str(error).startswith(f"{path}: ")
            assert len(str(error).splitlines()) <= 22
            assert len(str(error)) < 10_000
            return
    for row in rows:
        file, fold, label = row.file, row.fold, row.label  # type: ignore[attr-defined]
        assert PurePosixPath(file).name == file
        assert len(file.encode()) <= 255
        assert 1 <= fold <= 10
        assert label
    stems = [Path(row.file).stem for row in rows]  # type: ignore[attr-defined]
    assert len(set(stems)) == len(stems)


@pytest.mark.parametrize("table", [US8K, ESC50], ids=["us8k", "esc50"])
def test_damaged_tables(table: Table, tmp_path: Path) -> None:
    header, rows, read = table
    path = tmp_path / "t.csv"
    for _, data in cases(encoded(header, rows()), len(header), 4 * CASES):
        path.write_bytes(data)
        check(read, path)


@pytest.mark.parametrize("table", [US8K, ESC50], ids=["us8k", "esc50"])
def test_odd_cells_in_place_of_others(table: Table, tmp_path: Path) -> None:
    header, rows, read = table
    path = tmp_path / "t.csv"
    for number in range(2 * CASES):
        rng = default_rng([len(header), number])
        changed = rows()
        for _ in range(int(rng.integers(1, 4))):
            row = changed[rng.integers(len(changed))]
            row[rng.integers(len(row))] = ODD[rng.integers(len(ODD))]
        kind = rng.integers(6)
        if kind == 0:
            changed.append(changed[rng.integers(len(changed))])
        elif kind == 1:
            changed[rng.integers(len(changed))].pop()
        elif kind == 2:
            changed[rng.integers(len(changed))].append("x")
        data = encoded(header, changed)
        path.write_bytes(data.decode().encode("utf-16") if kind == 3 else data)
        check(read, path)


def test_damaged_lists(tmp_path: Path) -> None:
    emotions = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
    lines = [f"{1001 + n}_DFA_{emotions[n % 6]}_XX,{emotions[n % 6]}" for n in range(60)]
    (tmp_path / "test.csv").write_text("\n".join(lines[:20]))
    train = tmp_path / "train.csv"
    for _, data in cases("\n".join(lines[20:]).encode(), 3, 4 * CASES):
        train.write_bytes(data)
        with no_hang():
            try:
                lists = read_lists(tmp_path)
            except UserError as error:
                assert str(train) in str(error)
            else:
                assert all(
                    split == "test" for name, split in lists.splits.items() if f"{name},{name[9:12]}" in lines[:20]
                )
