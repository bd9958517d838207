"""The masks of a run: which modalities each sample of its training and of its validation lacked, in masks.parquet.

A row a sample, scenario and draw: split, scenario, draw, id and, for each modality, `<modality>_missing`.  Training
under `draws` 0 draws masks anew in each epoch, which are not kept: seed and id decide them, so they can be drawn again.
Those of the test split stand in the predictions of `avtrain eval`.  `result.json` holds the digest of the file.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avtrain.runs.folder import Run
from avtrain.runs.sealed import damaged, digest_of

FILE = "masks.parquet"
DIGEST = "masks"  # key of result.json
SUFFIX = "_missing"


@dataclass(frozen=True)
class Mask:
    """The modalities that the samples of a split have under one scenario and draw.

    Attributes:
        split: such as train.
        scenario: name.
        draw: 0 as it is evaluated; training counts from 1.
        ids: n sample ids.
        present: modality -> [n].
    """

    split: str
    scenario: str
    draw: int
    ids: tuple[str, ...]
    present: Mapping[str, NDArray[np.bool_]]


def masks_as_parquet(masks: Iterable[Mask]) -> bytes:
    """Return masks as a Parquet file; equal masks give equal bytes.

    Args:
        masks: at least one, all of the same modalities.
    """
    tables = []
    for mask in masks:
        n = len(mask.ids)
        columns: dict[str, pa.Array] = {
            "split": pa.array([mask.split] * n, pa.string()),
            "scenario": pa.array([mask.scenario] * n, pa.string()),
            "draw": pa.array([mask.draw] * n, pa.int32()),
            "id": pa.array(mask.ids, pa.string()),
        }
        columns |= {f"{m}{SUFFIX}": pa.array(~present) for m, present in mask.present.items()}
        tables.append(pa.table(columns))
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), buffer, compression="zstd")
    return buffer.getvalue()


def save_masks(run: Run, masks: Sequence[Mask]) -> dict[str, str]:
    """Write the masks of a run; returns what `result.json` must say of them, nothing where there are none."""
    if not masks:
        return {}
    data = masks_as_parquet(masks)
    run.write_bytes(FILE, data)
    return {DIGEST: digest_of(data)}


def read_masks(run: Run) -> list[Mask]:
    """Return the masks that a finished run was trained and selected on; none where nothing was missing.

    Raises:
        UserError: the run is not finished, or the file is missing or damaged.
    """
    recorded = run.read_json("result.json").get(DIGEST)
    if recorded is None:
        return []
    path = run.folder / FILE
    if not path.exists():
        raise damaged(str(path), "the file is missing")
    if digest_of(data := path.read_bytes()) != recorded:
        raise damaged(str(path), "it does not have the digest that result.json names")
    table = pq.read_table(io.BytesIO(data))
    modalities = [name.removesuffix(SUFFIX) for name in table.column_names if name.endswith(SUFFIX)]
    columns = {name: np.asarray(table[name].to_pylist()) for name in table.column_names}
    keys = list(zip(columns["split"].tolist(), columns["scenario"].tolist(), columns["draw"].tolist(), strict=True))
    found = []
    for key in dict.fromkeys(keys):
        rows = np.array([row for row, other in enumerate(keys) if other == key])
        ids = tuple(columns["id"][rows].tolist())
        found.append(Mask(*key, ids, {m: ~columns[f"{m}{SUFFIX}"][rows].astype(bool) for m in modalities}))
    return found
