"""Measure how memory and time of reading rows grow with the size of a data set.

    python benchmarks/scale.py --pairs 5000,20000,60000,200000

Data sets of made-up CIFAR-sized images and short audio clips are written below --work, one after another, and removed.
Every image is distinct, each of 300 clips is paired with many images.  Two readers are measured, each in a process of
its own, which imports neither torch nor a model: `memory` holds all encoded rows, as avtrain 0.1 did; `map` reads them
from the memory-mapped copy, once while it is written (`first`) and once when it is there (`again`).  An epoch reads the
media of every row once, in a random order; with --decode of at most so many pairs it also decodes them.

    python benchmarks/scale.py --epochs 5000

measures whole training epochs of `finetune --backbone tiny` (decode, front end, forward, backward) from either reader,
in turn and in one process, and prints the median of the ratios.
"""

import argparse
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from avbuild.dataset.rows import StoredSample
from avbuild.dataset.shards import ROWS_PER_SHARD, shard_name, write_shard
from avbuild.dataset.storage import Folder
from avbuild.modalities.registry import MODALITIES
from avbuild.scenarios.manifest import Manifest
from avtrain.data.row_cache import RowCache
from avtrain.data.samples import Media, Sample
from avtrain.data.shards import read_rows

CLASSES = tuple(f"class{number}" for number in range(10))
CLIPS, CLIP_SAMPLES, IMAGES = 300, 4000, 300


def write_data(folder: Path, pairs: int) -> None:
    """Write the training split of a data set with so many pairs."""
    rng = np.random.default_rng(0)
    audio, image = MODALITIES["audio"], MODALITIES["image"]
    clips = [audio.encode(rng.uniform(-0.5, 0.5, CLIP_SAMPLES).astype(np.float32))[0] for _ in range(CLIPS)]
    images = [_jpeg(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(IMAGES)]
    assert image.decode([images[0] + b"distinct"]).shape == (32, 32, 3)
    count = -(-pairs // ROWS_PER_SHARD)
    for shard in range(count):
        numbers = range(shard * ROWS_PER_SHARD, min(pairs, (shard + 1) * ROWS_PER_SHARD))
        rows = [_row(number, clips[number % CLIPS], images[number % IMAGES]) for number in numbers]
        write_shard(Folder(folder), shard_name("C", "train", shard, count), rows, CLASSES, "job", "hash")


def _jpeg(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=95)
    return sink.getvalue()


def _row(number: int, clip: bytes, image: bytes) -> StoredSample:
    row = {
        "id": f"pair-{number:08d}",
        "audio": {"bytes": clip, "path": f"{number}.flac"},
        # bytes after its end do not change what an image shows
        "image": {"bytes": image + number.to_bytes(8, "big"), "path": f"{number}.jpg"},
        "label": number % len(CLASSES),
        "group": f"recording-{number % 5000}",
        "fold": number % 10 + 1,
        "audio_missing": False,
        "image_missing": False,
        "corruption": "{}",
    }
    return cast(StoredSample, row)


def rows_in_memory(folder: Path) -> list[Sample]:
    """Return all rows as avtrain 0.1 held them: encoded, each distinct file once."""
    pool: dict[bytes, bytes] = {}
    samples = []
    for path in sorted(folder.glob("C/train-*.parquet")):
        columns = ["id", "audio", "image", "label", "group", "fold"]
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64, columns=columns):
            for row in batch.to_pylist():
                media: dict[str, Media] = {
                    m: pool.setdefault(row[m]["bytes"], row[m]["bytes"]) for m in ("audio", "image")
                }
                samples.append(Sample(row["id"], media, row["label"], row["group"], row["fold"]))
    return samples


def measure(reader: str, folder: Path, decode: int) -> dict[str, float]:
    """Open a data set, read it for one epoch, and return seconds and peak memory of this process."""
    started = time.perf_counter()
    cpu = time.process_time()
    samples: Sequence[Sample]
    if reader == "memory":
        samples = rows_in_memory(folder)
    else:
        manifest = {"manifest": 1, "name": "scale", "dataset": str(folder), "scenarios": {"C": {}}}
        samples = read_rows(Manifest.model_validate(manifest), "train", RowCache(folder / "cache")).samples
    opened, cpu_opened = time.perf_counter() - started, time.process_time() - cpu
    peak_opened = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    order = np.random.default_rng(1).permutation(len(samples)).tolist()
    decoded = len(samples) <= decode
    cpu = time.process_time()
    for index in order:
        for modality, data in samples[index].media.items():
            if decoded:
                MODALITIES[modality].decode([cast(bytes, data)])
    return {
        "open_s": opened,
        "open_cpu_s": cpu_opened,
        "epoch_cpu_s": time.process_time() - cpu,
        "decoded": decoded,
        "open_mb": peak_opened / 1024,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def compare_epochs(folder: Path, rounds: int = 5) -> None:
    """Print seconds of training epochs over the same rows from memory and from the map, in turn."""
    from dataclasses import replace

    import torch

    from avtrain.backbones.tiny import Tiny, TinyConfig
    from avtrain.data.dataset import MultimodalData

    torch.set_num_threads(1)
    torch.manual_seed(0)
    manifest = Manifest.model_validate({"manifest": 1, "name": "scale", "dataset": str(folder), "scenarios": {"C": {}}})
    backbone = Tiny(TinyConfig())
    head = torch.nn.Linear(backbone.width, len(CLASSES))
    rows = read_rows(manifest, "train", RowCache(folder / "cache"))
    mapped = MultimodalData(rows, manifest, backbone.frontend, ("C",))
    held = replace(mapped, rows=replace(rows, samples=rows_in_memory(folder)))
    seconds: dict[str, list[float]] = {"memory": [], "map": []}
    for turn in range(rounds):
        for name, data in (("memory", held), ("map", mapped)) if turn % 2 else (("map", mapped), ("memory", held)):
            started = time.process_time()
            for batch in data.at(1).batches(32, 0):
                logits = head(torch.stack([tokens.mean(1) for tokens in backbone.encode(batch).values()]).mean(0))
                torch.nn.functional.cross_entropy(logits, batch.labels).backward()
            seconds[name].append(time.process_time() - started)
    ratios = [one / other for one, other in zip(seconds["map"], seconds["memory"], strict=True)]
    print("| memory, CPU s | map, CPU s | ratio, median of", rounds, "|\n| ---: | ---: | ---: |")
    print(f"| {np.median(seconds['memory']):.2f} | {np.median(seconds['map']):.2f} | {np.median(ratios):.3f} |")


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", default="5000,20000,60000,200000")
    parser.add_argument("--decode", type=int, default=5000, help="decode the media of data sets of at most so many")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--epochs", type=int, metavar="PAIRS", help="compare epochs of training over so many pairs")
    parser.add_argument("--measure", nargs=2, metavar=("READER", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure[0], Path(arguments.measure[1]), arguments.decode)))
        return
    if arguments.epochs:
        with tempfile.TemporaryDirectory(prefix="scale-", dir=arguments.work) as place:
            write_data(Path(place), arguments.epochs)
            compare_epochs(Path(place))
        return
    head = ("pairs", "reader", "open, s", "open, CPU s", "epoch, CPU s", "decoded", "open, MB", "peak, MB", "disk, MB")
    print(f"| {' | '.join(head)} |")
    print("| ---: | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |")
    for pairs in map(int, arguments.pairs.split(",")):
        folder = Path(tempfile.mkdtemp(prefix="scale-", dir=arguments.work))
        try:
            write_data(folder, pairs)
            for reader, label in (("memory", "memory"), ("map", "map, first"), ("map", "map, again")):
                command = [
                    sys.executable,
                    __file__,
                    "--measure",
                    reader,
                    str(folder),
                    "--decode",
                    str(arguments.decode),
                ]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
                print(
                    f"| {pairs:,} | {label} | {found['open_s']:.1f} | {found['open_cpu_s']:.1f} "
                    f"| {found['epoch_cpu_s']:.2f} | {'yes' if found['decoded'] else 'no'} | {found['open_mb']:.0f} "
                    f"| {found['peak_mb']:.0f} | {disk:,.0f} |",
                    flush=True,
                )
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
