"""A table of a user's own, and the data set that avbuild makes of it."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.commands import rows, succeed

SPLITS = ("train", "validation", "test")
Record = dict[str, str]


def records(count: int = 30) -> list[Record]:
    """Rows with all columns: two of each group, two classes, three splits."""
    return [
        {
            "id": f"x{k}",
            "audio": f"a/{k:02d}.wav",
            "image": f"i/{k:02d}.png",
            "text": f'text {k}, with "quotes"\nand two lines',
            "label": ("dog", "cat")[k % 2],
            "group": f"g{k // 2}",
            "split": "train" if k < 16 else "dev" if k < 22 else "test",
        }
        for k in range(count)
    ]


def as_csv(table: Sequence[Mapping[str, str]]) -> str:
    """Return the table as the text of a CSV file."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return sink.getvalue()


def write(media: Path, table: Sequence[Mapping[str, str]], name: str = "metadata.csv") -> Path:
    """Write the table as CSV into the folder of its media; return its path."""
    path = media / name
    path.write_text(as_csv(table), encoding="utf-8")
    return path


def make(table: Path, out: Path, *more: object) -> Path:
    """Make a data set called mine of a table; return its folder."""
    succeed("make", "mine", "--table", table, "--out", out, "--workers", 1, *more)
    return out / "mine"


def samples(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the samples of all splits by id, each with the split that it is in."""
    return {row["id"]: row | {"in": split} for split in SPLITS for row in rows(folder, "C", split)}
