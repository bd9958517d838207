"""Published statements that follow, or do not follow, from published cells: verdicts that need no run."""

from dataclasses import dataclass

HOLDS, DOES_NOT_HOLD = "holds", "does not hold"


@dataclass(frozen=True)
class ArithmeticCheck:
    """A statement of a publication, checked against its own numbers.

    Attributes:
        says: the statement.
        holds: whether it follows.
        working: the numbers that decide.
    """

    says: str
    holds: bool
    working: str

    @property
    def word(self) -> str:
        """Return the verdict."""
        return HOLDS if self.holds else DOES_NOT_HOLD


def rounds_to(computed: float, stated: str) -> bool:
    """Return whether a number is within half of the last digit of what was stated.

    Args:
        computed: the number.
        stated: as printed, such as "0.81"; a number exactly between two printed ones rounds to both.
    """
    places = len(stated.partition(".")[2])
    return abs(computed - float(stated)) <= 0.5 * 10.0**-places + 1e-9
