"""`avbuild.load`: a scenario as a `datasets.Dataset` whose audio needs no further package to decode."""

import glob
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import soundfile

from avbuild.dataset.build_record import BuildRecord, read_build
from avbuild.dataset.damage import first_line
from avbuild.dataset.storage import Folder
from avbuild.errors import UsageError, UserError, nearest
from avbuild.modalities.audio import FULL_SCALE, LOUDEST


@dataclass
class FlacAudio(datasets.Audio):  # type: ignore[misc]  # datasets has no types
    """Audio that soundfile decodes; the `Audio` of `datasets` needs torchcodec, and so FFmpeg, to read FLAC.

    It has a type name of its own, by which `datasets` finds it again when it reads the cached result of a `map`.
    """

    _type: str = field(default="FlacAudio", init=False, repr=False)

    def decode_example(self, value: Any, token_per_repo_id: Any = None) -> Any:
        """Return path, samples (float32 [samples]) and sample rate of a cell."""
        if "bytes" not in value:  # decoded already, as functions given to `map` see it
            return value
        array, rate = soundfile.read(io.BytesIO(value["bytes"]), dtype="float32")
        return {"path": value["path"], "array": array, "sampling_rate": rate}

    def encode_example(self, value: Any) -> dict[str, Any]:
        """Return the cell for samples that a `map` hands back: without loss, as FLAC where 16 bits hold them."""
        if "array" not in value:
            return dict(value)
        samples, rate = np.asarray(value["array"], np.float32), int(value["sampling_rate"])
        exact = np.array_equal(np.rint(samples * FULL_SCALE), samples * FULL_SCALE) and np.abs(samples).max() <= LOUDEST
        sink = io.BytesIO()
        kind = {"format": "FLAC", "subtype": "PCM_16"} if exact else {"format": "WAV", "subtype": "FLOAT"}
        soundfile.write(sink, samples, rate, **kind)
        return {"bytes": sink.getvalue(), "path": value.get("path")}

    def cast_storage(self, storage: Any) -> Any:
        """Return cells in the type of the column, encoding those that hold samples."""
        if pa.types.is_struct(storage.type) and storage.type.get_field_index("array") >= 0:
            cells = [None if cell is None else self.encode_example(cell) for cell in storage.to_pylist()]
            return pa.array(cells, self.pa_type)
        return super().cast_storage(storage)


with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # the function is called experimental
    datasets.features.features.register_feature(FlacAudio, "FlacAudio")


def load(folder: str | Path, scenario: str = "C", split: str = "test") -> datasets.Dataset:
    """Load one scenario and split of a data set as a `datasets.Dataset`.

    Audio is decoded by soundfile, to a dictionary with the keys path, array (float32 [samples]) and sampling_rate;
    images are PIL images.  A missing modality is None.

    >>> import avbuild
    >>> ds = avbuild.load("demo/demo-av", scenario="D", split="test")
    >>> ds[0]["audio"]["sampling_rate"], ds[0]["image"].mode
    (16000, 'RGB')

    Args:
        folder: of the data set: a local path, or any fsspec URL such as hf://datasets/OWNER/NAME.
        scenario: name; C is clean data, others are those that `avbuild corrupt` has written.
        split: train, validation or test.

    Raises:
        UserError: there is no such data set, scenario or split, or one of its files is missing or unreadable.
    """
    place = Folder(folder)
    build = read_build(place)
    _check(place, build, scenario, split)
    record = build.scenarios[scenario].splits[split]  # type: ignore[index]  # checked to be a split
    files = [_data_file(place, shard.file) for shard in record.shards]
    try:
        loaded = datasets.load_dataset("parquet", data_files={split: files}, split=split)
    except Exception as error:  # datasets lets through what storage, Parquet and its own cache raise
        raise UserError(f"{place}: {scenario}/{split} cannot be loaded: {first_line(error)}") from error
    if len(loaded) != record.rows:
        raise UserError(
            f"{place}: {scenario}/{split} has {len(loaded):,} rows, where build.json says {record.rows:,}; avbuild "
            f"verify {place} shows which file is damaged"
        )
    for column, feature in loaded.features.items():
        if isinstance(feature, datasets.Audio):
            loaded = loaded.cast_column(column, FlacAudio(sampling_rate=feature.sampling_rate))
    return loaded


def _check(place: Folder, build: BuildRecord, scenario: object, split: object) -> None:
    """Raise UsageError for a scenario or split that the data set does not have, UserError for a missing file."""
    if scenario not in build.scenarios:
        hint = nearest(str(scenario), build.scenarios)
        raise UsageError(
            f'{place}: no scenario "{scenario}"{hint}; it has {", ".join(build.scenarios)} (avbuild corrupt --scenario '
            f"NAME --data {place} writes one of its manifest)"
        )
    made = build.scenarios[str(scenario)].splits
    if split not in made:
        hint = nearest(str(split), made)
        raise UsageError(f'{place}: no split "{split}" in scenario {scenario}{hint}; it has {", ".join(made)}')
    missing = [shard.file for shard in made[split].shards if not place.exists(shard.file)]
    if missing:
        raise UserError(f"{place}: {', '.join(missing)} missing; avbuild verify {place} says what to do")


def _data_file(place: Folder, name: str) -> str:
    """Return the path of a shard, in which `datasets` would take brackets and stars for patterns."""
    path = place.path(name)
    return glob.escape(str(Path(path).absolute())) if place.local else path
