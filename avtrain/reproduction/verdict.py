"""Verdict on a published number: reproduced, not reproduced, not comparable or not run, and the reasons."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from avtrain.report.results import Cell
from avtrain.reproduction.published_cells import PublishedCell

REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE = "reproduced", "not reproduced", "not comparable"
NOT_RUN = "not run"  # nothing was measured here
WORDS = (REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE, NOT_RUN)  # the first that applies is the verdict on a cell
POINTS = 0.02  # accuracies this close count as equal, however small their standard deviation
DEVIATIONS = 2.0
SLACK = 1e-9  # 0.73 - 0.71 is slightly more than 0.02 in binary


@dataclass(frozen=True)
class Verdict:
    """A verdict on one published number.

    Attributes:
        word: one of WORDS.
        why: reasons; for the first two, one that states the difference.
    """

    word: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class JudgedNumber:
    """A published number beside ours, as text, and the verdict.

    Attributes:
        cell: of the publication's own tables; None: somebody else's number.
        labels: what it is the number of.
        published: as printed.
        measured: ours; empty where nothing was measured.
        verdict: on both.
    """

    cell: PublishedCell | None
    labels: tuple[str, ...]
    published: str
    measured: str
    verdict: Verdict


def judge(published: float, measured: Cell | None, reasons: tuple[str, ...], absent: str) -> Verdict:
    """Return "reproduced" if the difference is at most 2 points or 2 standard deviations and nothing forbids comparing.

    Args:
        published: accuracy, 0 to 1.
        measured: accuracies, 0 to 1, one a seed; None where there are none.
        reasons: why the measurement can neither confirm nor refute the published number; empty where it can.
        absent: what is missing where nothing was measured.
    """
    if measured is None:
        return Verdict(NOT_RUN, (*reasons, f"not measured: {absent}"))
    if reasons:
        return Verdict(NOT_COMPARABLE, reasons)
    distance, allowed = abs(measured.mean - published), DEVIATIONS * (measured.std or 0.0)
    close = distance <= max(POINTS, allowed) + SLACK
    spread = "one seed" if measured.std is None else f"two standard deviations are {100 * allowed:.1f}"
    return Verdict(REPRODUCED if close else NOT_REPRODUCED, (f"{100 * distance:.1f} points apart; {spread}",))


def tally(cells: Sequence[PublishedCell], judged: Iterable[JudgedNumber]) -> dict[str, int]:
    """Return how many cells have each verdict; they sum to the number of cells.

    A cell that was compared with several runs counts once, with the first of WORDS that one of them has.

    Args:
        cells: of the publication.
        judged: verdicts on some of them.
    """
    best: dict[PublishedCell, str] = dict.fromkeys(cells, NOT_RUN)
    for number in judged:
        if number.cell in best:
            best[number.cell] = min(best[number.cell], number.verdict.word, key=WORDS.index)
    found = Counter(best.values())
    return {word: found[word] for word in WORDS}


def count_line(name: str, counts: dict[str, int]) -> str:
    """Return counts of verdicts as one line.

    Args:
        name: of the command.
        counts: from `tally`.
    """
    return f"{name}, {sum(counts.values())} published numbers: " + ", ".join(
        f"{n} {word}" for word, n in counts.items()
    )
