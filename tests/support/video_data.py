"""Small data sets with any modalities, written as docs/data-format.md describes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avbuild.modalities.audio import encode_audio, quantise_audio
from avbuild.modalities.image import encode_image

CLASSES = ("low", "high")
ENCODED = pa.struct({"bytes": pa.binary(), "path": pa.string()})
COLUMNS = {
    "audio": (ENCODED, {"sampling_rate": 16_000, "_type": "Audio"}),
    "image": (ENCODED, {"_type": "Image"}),
    "video": (pa.list_(ENCODED), {"feature": {"_type": "Image"}, "_type": "List"}),
}
SIZES = {"train": 12, "validation": 6, "test": 6}


def write_data(folder: Path, modalities: tuple[str, ...]) -> Path:
    """Write a data set of two classes that differ in pitch and brightness, and return its manifest.

    Every fifth sample lacks its last modality.
    """
    rng = np.random.default_rng(0)
    for split, size in SIZES.items():
        rows = [_row(f"{split}-{index}", index % 2, modalities, rng) for index in range(size)]
        for row in rows[::5] if len(modalities) > 1 else ():
            row[modalities[-1]] = None
        _write(folder / "C" / f"{split}-00000-of-00001.parquet", rows, modalities)
    first = modalities[0]
    scenarios = {"C": {}} | ({"M": {first: {"missing_rate": 0.5}}} if len(modalities) > 1 else {})
    text = {"manifest": 1, "name": folder.name, "dataset": ".", "seed": 0, "scenarios": scenarios}
    (folder / "manifest.yaml").write_text(json.dumps(text))  # JSON is YAML too
    return folder / "manifest.yaml"


def _row(name: str, label: int, modalities: tuple[str, ...], rng: np.random.Generator) -> dict[str, Any]:
    tone = 0.3 * np.sin(np.arange(4_000) * (0.1 + 0.3 * label)) + rng.normal(0, 0.02, 4_000)
    frames = [rng.integers(0, 120, (24, 20, 3)) + 100 * label for _ in range(1 + int(rng.integers(4)))]
    images = [_cell(encode_image(frame.astype(np.uint8)), "f.png") for frame in frames]
    media = {
        "audio": _cell(encode_audio(quantise_audio(tone.astype(np.float32))[0]), "a.flac"),
        "image": images[0],
        "video": images,
    }
    return {"id": name, **{m: media[m] for m in modalities}, "label": label, "group": name, "fold": 0}


def _cell(data: bytes, path: str) -> dict[str, Any]:
    return {"bytes": data, "path": path}


def _write(path: Path, rows: list[dict[str, Any]], modalities: tuple[str, ...]) -> None:
    features = {m: COLUMNS[m][1] for m in modalities} | {"label": {"names": list(CLASSES), "_type": "ClassLabel"}}
    fields = {"id": pa.string(), **{m: COLUMNS[m][0] for m in modalities}}
    fields |= {"label": pa.int64(), "group": pa.string(), "fold": pa.int32()}
    schema = pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
