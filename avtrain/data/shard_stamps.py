"""Stamps of shards, their size and time: a shard whose stamp changed since its rows were copied is verified again."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from avbuild.dataset.rows import StoredSample, content_hash
from avbuild.dataset.storage import partial_name, write_whole
from avbuild.errors import UserError
from avbuild.scenarios.seeding import digest
from avtrain.data.shard_files import ShardFile, ShardHeader

TIMES = ("mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "created")  # as file systems name them

Stamp = list[int | str]


def stamps_of(shards: Sequence[ShardFile]) -> dict[str, Stamp]:
    """Return the size and time of each shard, by path."""
    return {shard.path: _stamp(shard) for shard in shards}


def verify_changed(stem: Path, shards: Sequence[ShardFile], headers: Sequence[ShardHeader]) -> None:
    """Read the shards whose stamp is not the one recorded with a copy of their rows, and record the new one.

    Args:
        stem: path of the copy without the suffixes of its files.
        shards: in order.
        headers: theirs.

    Raises:
        UserError: a shard is damaged, although the copy made of it before is sound.
    """
    path = stem.with_name(f"{stem.name}.json")
    recorded = open_record(path.read_bytes())
    before, now = recorded.get("shards", {}), stamps_of(shards)
    changed = [shard for shard in shards if before.get(shard.path) != now[shard.path]]
    if not changed:
        return
    for shard, header in zip(shards, headers, strict=True):
        rows = cast(Iterator[StoredSample], shard.rows())
        if shard in changed and header.content and content_hash(rows) != header.content:
            raise shard.damaged("its rows are not those that were written")
    with suppress(UserError):  # a cache for reading only: they are verified again next time
        record = sealed_record({**recorded, "shards": {**before, **now}})
        write_whole(path, record, partial_name(path.name, os.getpid()))


def sealed_record(content: Mapping[str, Any]) -> str:
    """Return the JSON of the record of a copy, with a digest of the rest as the last key."""
    return json.dumps({**content, "digest": _digest(content)})


def open_record(data: bytes) -> dict[str, Any]:
    """Return what `sealed_record` sealed, or the record of an earlier version, which holds the two files alone.

    Raises ValueError, KeyError or TypeError where it is damaged.
    """
    content: dict[str, Any] = json.loads(data)
    if len(content) > 2 and content.pop("digest") != _digest(content):
        raise ValueError("its content does not have the digest in it")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return digest(json.dumps(content, sort_keys=True))


def _stamp(shard: ShardFile) -> Stamp:
    """Return size and time of a shard; file systems without times give the size alone."""
    facts = shard.files.info(shard.path)
    return [int(facts["size"]), *(str(facts[key]) for key in TIMES if facts.get(key) is not None)]
