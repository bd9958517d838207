"""Whether a published accuracy is reproduced: three words, and why."""

from dataclasses import dataclass

from avtrain.report.results import Cell

REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE = "reproduced", "not reproduced", "not comparable"
POINTS = 0.02  # accuracies this close are called equal, however small their deviation
DEVIATIONS = 2.0
SLACK = 1e-9  # 0.73 - 0.71 is a little more than 0.02 in binary


@dataclass(frozen=True)
class Verdict:
    """One of three words, and why."""

    word: str
    why: tuple[str, ...]


def judge(published: float, measured: Cell | None, reasons: tuple[str, ...], absent: str) -> Verdict:
    """Reproduced: within 2 points or 2 standard deviations, where no reason forbids to compare.

    published: accuracy, 0 to 1.  reasons: why nothing that is measured here could confirm or refute it.
    absent: what is said where nothing was measured.
    """
    if measured is None:
        return Verdict(NOT_COMPARABLE, (*reasons, f"not measured: {absent}"))
    if reasons:
        return Verdict(NOT_COMPARABLE, reasons)
    distance, allowed = abs(measured.mean - published), DEVIATIONS * (measured.std or 0.0)
    close, within = f"{100 * distance:.1f} points apart", distance <= max(POINTS, allowed) + SLACK
    spread = "one seed" if measured.std is None else f"two standard deviations are {100 * allowed:.1f}"
    return Verdict(REPRODUCED if within else NOT_REPRODUCED, (f"{close}; {spread}",))
