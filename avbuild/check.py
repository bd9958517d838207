"""Read every file once before anything is written: what cannot be used is known, named, and hashed first."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from avbuild.engines import Engine, run
from avbuild.media import Unreadable, decode_image, read_audio
from avbuild.progress import progress_bar
from avbuild.samples import Clip, Picture, Problem

Kind = Literal["audio", "image"]
BATCH = 64  # files a worker takes at a time


@dataclass(frozen=True, slots=True)
class Checked:
    """One file that was read: its hash, or why it cannot be used."""

    kind: Kind
    id: str
    sha256: str
    problem: Problem | None


def check(items: Sequence[Clip | Picture], workers: int) -> list[Checked]:
    """Decode every file to its end, in parallel; in the order given."""
    batches = [tuple(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]
    done: dict[tuple[Clip | Picture, ...], list[Checked]] = {}
    with progress_bar("checking", len(items)) as advance:
        for batch, checked in run(_check_batch, batches, Engine(workers=workers)):
            done[batch] = checked
            advance(len(batch))
    return [checked for batch in batches for checked in done[batch]]


def _check_batch(batch: tuple[Clip | Picture, ...]) -> list[Checked]:
    return [_check_one(item) for item in batch]


def _check_one(item: Clip | Picture) -> Checked:
    kind: Kind = "audio" if isinstance(item, Clip) else "image"
    try:
        data = item.media.read()
        if not data:
            raise Unreadable("empty")
        if kind == "audio":
            read_audio(data)
        else:
            decode_image(data)
    except FileNotFoundError:
        return Checked(kind, item.id, "", Problem(item.media.name, "missing"))
    except (OSError, Unreadable) as error:
        what = str(error)
        return Checked(kind, item.id, "", Problem(item.media.name, what if what == "empty" else f"unreadable: {what}"))
    return Checked(kind, item.id, hashlib.sha256(data).hexdigest(), None)
