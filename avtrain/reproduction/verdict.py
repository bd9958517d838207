"""Verdict on a published number: reproduced, not reproduced or not comparable, and the reasons."""

from dataclasses import dataclass

from avtrain.report.results import Cell

REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE = "reproduced", "not reproduced", "not comparable"
POINTS = 0.02  # accuracies this close count as equal, however small their standard deviation
DEVIATIONS = 2.0
SLACK = 1e-9  # 0.73 - 0.71 is slightly more than 0.02 in binary


@dataclass(frozen=True)
class Verdict:
    """A verdict on one published number.

    Attributes:
        word: REPRODUCED, NOT_REPRODUCED or NOT_COMPARABLE.
        why: reasons; for the first two, one that states the difference.
    """

    word: str
    why: tuple[str, ...]


def judge(published: float, measured: Cell | None, reasons: tuple[str, ...], absent: str) -> Verdict:
    """Return "reproduced" if the difference is at most 2 points or 2 standard deviations and nothing forbids comparing.

    Args:
        published: accuracy, 0 to 1.
        measured: accuracies, 0 to 1, one a seed; None where there are none.
        reasons: why the measurement can neither confirm nor refute the published number; empty where it can.
        absent: what is missing where nothing was measured.
    """
    if measured is None:
        return Verdict(NOT_COMPARABLE, (*reasons, f"not measured: {absent}"))
    if reasons:
        return Verdict(NOT_COMPARABLE, reasons)
    distance, allowed = abs(measured.mean - published), DEVIATIONS * (measured.std or 0.0)
    close = distance <= max(POINTS, allowed) + SLACK
    spread = "one seed" if measured.std is None else f"two standard deviations are {100 * allowed:.1f}"
    return Verdict(REPRODUCED if close else NOT_REPRODUCED, (f"{100 * distance:.1f} points apart; {spread}",))
