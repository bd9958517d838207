"""MLA's Table 2, accuracy by missing rate: its numbers are known, and the systems that would make them are not here."""

from avtrain.methods.registry import METHODS as OURS
from avtrain.reproduction.mla.published import CELLS_2
from avtrain.reproduction.published_cells import PublishedCell
from avtrain.reproduction.verdict import NOT_RUN, JudgedNumber, Verdict

NAME = "mla-table2"
TITLE = "Table 2 of MLA (CVPR 2024): IEMOCAP, accuracy by missing rate"
OWN_NAMES = {"Late Fusion": "late-fusion", "QMF": "qmf", "MLA": "mla"}  # of those rows that avtrain has a method for

NO_DATA = "avbuild does not build IEMOCAP, whose recordings are given out on a signed form only"
NO_PROTOCOL = "training and testing at one missing rate of audio, image and text, as published, has no command yet"


def judge_table() -> list[JudgedNumber]:
    """Return all 84 numbers as not run, each with what is missing."""
    return [
        JudgedNumber(cell, (*cell.row, f"{cell.column} %"), cell.printed, "", Verdict(NOT_RUN, _missing(cell)))
        for cell in CELLS_2
    ]


def _missing(cell: PublishedCell) -> tuple[str, ...]:
    method = cell.row[0]
    if OWN_NAMES.get(method) in OURS:
        return (NO_DATA, NO_PROTOCOL)
    return (NO_DATA, NO_PROTOCOL, f"avtrain has no method {method}")
