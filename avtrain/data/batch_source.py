"""The interface through which training and evaluation read batches, and the options of loading."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from avtrain.data.batch import Batch
from avtrain.data.row_share import ALL_ROWS, RowShare


@dataclass(frozen=True)
class LoaderOptions:
    """Options of loading, which change the speed only; with several ranks also which rows this one loads.

    Attributes:
        workers: number of processes that load; 0: this one.
        pin: whether to put batches into pinned memory, from which a GPU copies faster.
        share: rows of each batch that are decoded here; the others get no inputs until `gather_rows` fetches them.
    """

    workers: int = 0
    pin: bool = False
    share: RowShare = ALL_ROWS


DEFAULT_LOADER = LoaderOptions()


class BatchSource(Protocol):
    """A split in one epoch under one or several scenarios, read in batches."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def at(self, epoch: int) -> "BatchSource":
        """Return the same data in another epoch; 0 as they are evaluated, from 1 in training."""

    def under(self, scenario: str) -> "BatchSource":
        """Return the same data with every sample under one scenario."""

    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, loader: LoaderOptions = DEFAULT_LOADER
    ) -> Iterator[Batch]:
        """Yield all samples once, in batches.

        Args:
            batch_size: samples in a batch; the last one may have fewer.
            shuffle_seed: decides the order together with the epoch; None: the order of the data.
            loader: how batches are loaded.
        """
