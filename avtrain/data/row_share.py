"""The rows of a batch that one rank loads, where several ranks train together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowShare:
    """One rank's part of every batch: a contiguous block of rows, in order of rank, as even as possible.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
    """

    rank: int = 0
    world: int = 1

    def rows(self, n: int) -> range:
        """Return the rows of a batch of n that this rank loads."""
        return range(n * self.rank // self.world, n * (self.rank + 1) // self.world)


ALL_ROWS = RowShare()
