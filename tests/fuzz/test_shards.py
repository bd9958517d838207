"""A damaged shard is an error that names it, or its rows are those that were written."""

from pathlib import Path

from avbuild.errors import UserError
from avtrain.data.samples import Rows, Sample
from avtrain.data.shards import read_rows
from tests.fuzz.damage import CASES, cases, no_hang
from tests.support.synthetic_shards import write_data


def test_a_damaged_shard_is_named_or_read_right(tmp_path: Path) -> None:
    manifest = write_data(tmp_path, rows=12, shards=2)
    shard = tmp_path / "C" / "train-00001-of-00002.parquet"
    expected = content(read_rows(manifest, "train"))
    refused = 0
    for case, (kind, data) in enumerate(cases(shard.read_bytes(), 4)):
        shard.write_bytes(data)
        try:
            with no_hang():
                found = content(read_rows(manifest, "train"))
        except UserError as error:
            assert shard.name in str(error), f"case {case}, {kind}"
            refused += 1
        else:
            assert found == expected, f"case {case}, {kind}: other rows without an error"
    assert refused > CASES / 2


def content(rows: Rows) -> tuple[list[Sample], tuple[str, ...], tuple[str, ...]]:
    """Return all of the rows, their media read."""
    samples = [Sample(s.id, dict(s.media), s.label, s.group, s.fold) for s in rows.samples]
    return samples, rows.classes, rows.modalities
