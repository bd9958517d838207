"""Read the shards of a data set, and refuse what is not as `build.json` records it.

Every command reads shards here.  The sha256 of a file covers each of its bytes, so that nothing is ever decoded,
corrupted, shown or compared that changed since it was written.
"""

import hashlib
from collections.abc import Iterator

import pyarrow as pa

from avbuild.dataset.damage import damaged, first_line, lfs_pointer
from avbuild.dataset.rows import StoredSample
from avbuild.dataset.shards import ShardRecord, read_samples
from avbuild.dataset.storage import Folder
from avbuild.errors import UserError
from avbuild.scenarios.manifest import CLEAN


def remedy(builder: str, scenario: str) -> str:
    """Return what to do about a damaged shard.

    Args:
        builder: that made the data set.
        scenario: of the shard.
    """
    command = f"avbuild make {builder}" if scenario == CLEAN else f"avbuild corrupt --scenario {scenario}"
    return f"remove it and run {command} again, with the options it had"


def shard_problem(data: bytes, shard: ShardRecord) -> str:
    """Return in which way the bytes of a shard are not those that were recorded, or nothing where they are.

    Args:
        data: of the file.
        shard: its record.
    """
    if hashlib.sha256(data).hexdigest() == shard.sha256:
        return ""
    if pointer := lfs_pointer(data):
        return pointer
    size = f", {len(data):,} bytes instead of {shard.bytes:,}" if len(data) != shard.bytes else ""
    return f"changed since it was written (sha256 differs{size})"


def read_shard(folder: Folder, shard: ShardRecord, builder: str) -> Iterator[StoredSample]:
    """Return the rows of a shard, one at a time, after its hash was checked.

    Args:
        folder: of the data set.
        shard: its record in `build.json`.
        builder: that made the data set, for the advice in errors.

    Raises UserError where the shard is missing or differs in any byte from what was recorded.
    """
    path, advice = folder.path(shard.file), remedy(builder, shard.file.split("/", 1)[0])
    try:
        data = folder.read(shard.file)
    except FileNotFoundError:
        raise UserError(f"{path}: missing; {advice.removeprefix('remove it and ')}") from None
    if problem := shard_problem(data, shard):
        raise damaged(path, problem, advice)
    return _rows(data, path, advice)


def _rows(data: bytes, path: str, advice: str) -> Iterator[StoredSample]:
    rows = read_samples(data)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except (pa.ArrowException, OSError, ValueError) as error:  # written so: its hash is right
            raise damaged(path, f"unreadable: {first_line(error)}", advice) from error
        yield row
