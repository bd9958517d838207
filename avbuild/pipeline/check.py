"""Read and hash every file before anything is written, so that all unusable files are reported at once."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from avbuild.modalities.base import Unreadable
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline.engines import Engine, run
from avbuild.progress import progress_bar
from avbuild.sources.corpus import Problem, SourceItem

BATCH = 64  # files a worker takes at a time


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """The sha256 of a file that was read, or the problem that makes it unusable."""

    modality: str
    id: str
    sha256: str
    problem: Problem | None


def check(items: Sequence[SourceItem], workers: int) -> list[CheckedFile]:
    """Decode every file completely, in parallel.

    Args:
        items: whose files to check.
        workers: number of processes.

    Returns one result per item, in the order of the items.
    """
    batches = [tuple(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]
    results: dict[tuple[SourceItem, ...], list[CheckedFile]] = {}
    with progress_bar("checking", len(items)) as advance:
        for batch, checked in run(_check_batch, batches, Engine(workers=workers)):
            results[batch] = checked
            advance(len(batch))
    return [checked for batch in batches for checked in results[batch]]


def _check_batch(batch: tuple[SourceItem, ...]) -> list[CheckedFile]:
    return [_check_one(item) for item in batch]


def _check_one(item: SourceItem) -> CheckedFile:
    try:
        data = item.media.read()
        record = MODALITIES[item.modality]
        if not data and not record.may_be_empty:
            raise Unreadable("empty")
        record.read(item.readable(data), item.fps)
    except FileNotFoundError:
        return CheckedFile(item.modality, item.id, "", Problem(item.media.name, "missing"))
    except (OSError, Unreadable) as error:
        what = "empty" if str(error) == "empty" else f"unreadable: {error}"
        return CheckedFile(item.modality, item.id, "", Problem(item.media.name, what))
    return CheckedFile(item.modality, item.id, hashlib.sha256(data).hexdigest(), None)
