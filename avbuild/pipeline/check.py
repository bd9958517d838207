"""Read every file once before anything is written: what cannot be used is known, named, and hashed first."""

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
class Checked:
    """One file that was read: its hash, or why it cannot be used."""

    modality: str
    id: str
    sha256: str
    problem: Problem | None


def check(items: Sequence[SourceItem], workers: int) -> list[Checked]:
    """Decode every file to its end, in parallel; in the order given."""
    batches = [tuple(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]
    done: dict[tuple[SourceItem, ...], list[Checked]] = {}
    with progress_bar("checking", len(items)) as advance:
        for batch, checked in run(_check_batch, batches, Engine(workers=workers)):
            done[batch] = checked
            advance(len(batch))
    return [checked for batch in batches for checked in done[batch]]


def _check_batch(batch: tuple[SourceItem, ...]) -> list[Checked]:
    return [_check_one(item) for item in batch]


def _check_one(item: SourceItem) -> Checked:
    try:
        data = item.media.read()
        if not data:
            raise Unreadable("empty")
        MODALITIES[item.modality].read(data, item.fps)
    except FileNotFoundError:
        return Checked(item.modality, item.id, "", Problem(item.media.name, "missing"))
    except (OSError, Unreadable) as error:
        what = "empty" if str(error) == "empty" else f"unreadable: {error}"
        return Checked(item.modality, item.id, "", Problem(item.media.name, what))
    return Checked(item.modality, item.id, hashlib.sha256(data).hexdigest(), None)
