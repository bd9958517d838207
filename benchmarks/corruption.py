"""Measure the speed of corruptions relative to those of other libraries, and of `avbuild corrupt` as a whole.

    pip install -r benchmarks/requirements.txt
    python benchmarks/corruption.py > table.md

Everything is measured in one run on one machine; compare ratios, not absolute times. Each corruption runs on one core
at severity 3, on a clip of 4 s at 16 kHz and on images of 32 and 224 px; the best of several interleaved rounds counts.
Corruptions of the other libraries that do not run with current numpy and scikit-image are patched, and marked so.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from building import command, measured
from peers import PATCHED, Call, audio_peers, image_peers
from PIL import Image

from avbuild.corruptions import CORRUPTIONS
from avbuild.dataset.build_record import read_build
from avbuild.dataset.shards import ShardRecord, read_samples, write_shard
from avbuild.dataset.storage import Folder
from avbuild.modalities.registry import MODALITIES
from avbuild.pipeline import corrupt
from avbuild.pipeline.engines import Engine, run
from avbuild.pipeline.jobs import CorruptJob
from avbuild.scenarios.manifest_file import load_manifest
from avbuild.scenarios.noise_clips import noise_clips


def fixed_clip() -> np.ndarray:
    """Return 4 s of tones of varying loudness and faint noise, float32 [samples] at 16 kHz."""
    time_ = np.arange(64_000) / 16_000
    tones = [np.sin(2 * np.pi * f * time_) * (0.5 + 0.5 * np.sin(f * time_ / 40)) for f in (110, 470, 1700, 3600)]
    noise = np.random.default_rng(0).standard_normal(64_000) * 0.02
    return (0.1 * np.sum(tones, axis=0) + noise).astype(np.float32)


def fixed_image(side: int) -> np.ndarray:
    """Return an image with edges and gradients, uint8 [side, side, 3]."""
    blocks = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((side, side), Image.Resampling.BICUBIC))


def best_times(calls: Sequence[Call], seconds: float) -> list[float]:
    """Return the shortest time of each call in milliseconds.

    Args:
        calls: timed in turns, for at least 5 rounds.
        seconds: after which no further round begins.
    """
    shortest = [float("inf")] * len(calls)
    for call in calls:
        call()
    until = time.perf_counter() + seconds
    rounds = 0
    while rounds < 5 or time.perf_counter() < until:
        for index, call in enumerate(calls):
            started = time.perf_counter()
            call()
            shortest[index] = min(shortest[index], time.perf_counter() - started)
        rounds += 1
    return [1000 * value for value in shortest]


def compare(title: str, modality: str, signal: np.ndarray, peers: dict[str, Call], folder: Path) -> None:
    """Print a table of all corruptions of a modality, with the geometric mean of the ratios.

    Args:
        title: of the table.
        modality: audio or image.
        signal: what is corrupted.
        peers: the same corruptions of another library, by our names.
        folder: whose `noise/` holds recordings, for corruptions that draw from some.
    """
    print(f"\n**{title}**\n\n| corruption | ours, ms | peer, ms | times faster |\n| --- | ---: | ---: | ---: |")
    ratios = []
    for name, corruption in CORRUPTIONS[modality].items():
        if corruption.domain != "signal":
            continue
        level = corruption.level(3, signal)
        clips = {"clips": noise_clips(str(folder / "noise"))} if corruption.needs_clips else {}
        rng = np.random.default_rng(7)  # one for all calls, as the peers have; making one takes 0.01 ms
        ours: Call = lambda c=corruption, x=level, g=rng, r=clips: c.apply(signal, x, g, **r)  # noqa: E731
        times = best_times([ours, peers[name]] if name in peers else [ours], 0.4)
        theirs = ratio = ""
        if name in peers:
            ratios.append(times[1] / times[0])
            mark = " (patched)" if modality == "image" and name in PATCHED else ""
            theirs, ratio = f"{times[1]:.3f}{mark}", f"{ratios[-1]:.1f}"
        print(f"| {name} | {times[0]:.3f} | {theirs} | {ratio} |", flush=True)
    mean = np.exp(np.mean(np.log(ratios)))
    print(f"| **geometric mean of {len(ratios)}, slowest** | | | **{mean:.1f}, {min(ratios):.2f}** |")


def recode(job: CorruptJob) -> ShardRecord:
    """Read a shard, decode and encode what its scenario corrupts, and write it: the least that corrupting needs."""
    folder = Folder(job.folder)
    samples: list[Any] = list(read_samples(folder.read(job.source.file)))
    for sample in samples:
        for modality in job.condition.scenario.plans:
            record = MODALITIES[modality]
            (sample[modality]["bytes"],) = record.encode(record.decode([sample[modality]["bytes"]]))
    return write_shard(folder, job.name, samples, job.classes, job.job, job.scenario_hash)


def all_jobs(data: Folder, scenarios: str) -> list[CorruptJob]:
    """Return the jobs of `avbuild corrupt` for all splits of a data set.

    Args:
        data: folder of the data set.
        scenarios: a letter for each.
    """
    build, manifest = read_build(data), load_manifest(data.path("manifest.yaml"))
    splits = build.scenarios["C"].splits
    return [
        job
        for name in scenarios
        for split in splits
        for job in corrupt.corrupt_jobs(data, build, manifest, name, split)
    ]


def compare_with_recoding(sources: list[str], pairs: int) -> None:
    """Print the speed of `avbuild corrupt` of A, V and D and that of `recode`, with one worker and with two."""
    print(f"\n**Whole commands**: `avbuild corrupt` of A, V and D, {pairs} pairs each\n")
    print("| workers | corrupt, pairs/s | decode + encode, pairs/s | ratio |\n| ---: | ---: | ---: | ---: |")
    speeds = []
    with tempfile.TemporaryDirectory() as folder:
        measured(*command("avbuild", "make", "cifar10-av", *sources, "--limit", pairs, "--out", folder))
        data = Folder(f"{folder}/cifar10-av")
        jobs = all_jobs(data, "AVD")
        rows = sum(job.source.rows for job in jobs)
        for workers in (1, 2):
            shortest = [float("inf")] * 2
            for _ in range(2):
                for index, function in enumerate((corrupt.write_corrupted, recode)):
                    started = time.perf_counter()
                    for job, _ in run(function, jobs, Engine(workers=workers)):
                        data.remove(job.name)
                    shortest[index] = min(shortest[index], time.perf_counter() - started)
            speeds.append(rows / shortest[0])
            recoded = rows / shortest[1]
            print(f"| {workers} | {speeds[-1]:.0f} | {recoded:.0f} | {speeds[-1] / recoded:.2f} |", flush=True)
    print(f"\nTwo workers: {speeds[1] / speeds[0]:.2f} times one.")


def print_memory(sources: list[str]) -> None:
    """Print the peak memory of `avbuild corrupt` for data sets of growing size."""
    print("\n**Peak memory** of `avbuild corrupt --scenario D`, all splits, one worker\n")
    print("| pairs | MB |\n| ---: | ---: |")
    for pairs in (500, 5_000, 20_000):
        with tempfile.TemporaryDirectory() as folder:
            measured(*command("avbuild", "make", "cifar10-av", *sources, "--limit", pairs, "--out", folder))
            line = ["corrupt", "--scenario", "D", "--data", f"{folder}/cifar10-av", "--workers", 1]
            _, megabytes = measured(*command("avbuild", *line, "--splits", "train,validation,test"))
            print(f"| {pairs:,} | {megabytes:.0f} |", flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio-root", help="UrbanSound8K; together with --images, whole commands are measured too")
    parser.add_argument("--images", help="folder:PATH or cifar10:PATH")
    parser.add_argument("--folds", help="as for avbuild make")
    parser.add_argument("--pairs", type=int, default=2_000)
    options = parser.parse_args()
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(os.environ.get(name) != "1" for name in threads):  # libraries read these only when they are loaded
        os.environ |= dict.fromkeys(threads, "1")
        os.execv(sys.executable, [sys.executable, *sys.argv])
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, numpy {np.__version__}")
    clip = fixed_clip()
    with tempfile.TemporaryDirectory() as folder:
        compare("Audio, 4 s at 16 kHz", "audio", clip, audio_peers(clip, Path(folder)), Path(folder))
        for side in (224, 32):
            image = fixed_image(side)
            compare(f"Images, {side} px", "image", image, image_peers(image), Path(folder))
    if options.audio_root and options.images:
        sources = ["--audio-root", options.audio_root, "--images", options.images]
        sources += ["--folds", options.folds] if options.folds else []
        compare_with_recoding(sources, options.pairs)
        print_memory(sources)


if __name__ == "__main__":
    main()
