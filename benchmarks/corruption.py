"""Speed of the corruptions against their peers', of whole `avbuild corrupt` against decoding and encoding alone.

    pip install -r benchmarks/requirements.txt
    python benchmarks/corruption.py > table.md

One run, one machine, so that only ratios matter. Each op: one core, severity 3, a clip of 4 s at 16 kHz, pictures of
32 and 224 px, the best of several interleaved rounds. Where a peer's routine no longer runs with current libraries, the
one keyword it trips over is mended and the table says so.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from building import command, measured
from PIL import Image

from avbuild.corruptions import CORRUPTIONS
from avbuild.dataset.build_record import read_build
from avbuild.dataset.shards import ShardRecord, read_samples, write_shard
from avbuild.dataset.storage import Folder
from avbuild.modalities.audio import decode_audio, encode_audio
from avbuild.modalities.image import decode_image, encode_image
from avbuild.pipeline.engines import Engine, run
from avbuild.pipeline.jobs import CorruptJob
from avbuild.scenarios.noise_clips import noise_clips

Call = Callable[[], object]
PICTURE_PEERS = {
    "gaussian_noise": "gaussian_noise", "shot_noise": "shot_noise", "impulse_noise": "impulse_noise",
    "speckle_noise": "speckle_noise", "defocus_blur": "defocus_blur", "glass_blur": "glass_blur",
    "motion_blur": "motion_blur", "zoom_blur": "zoom_blur", "gaussian_blur": "gaussian_blur", "snow": "snow",
    "frost": "frost", "fog": "fog", "spatter": "spatter", "brightness": "brightness", "contrast": "contrast",
    "saturate": "saturate", "elastic": "elastic_transform", "pixelate": "pixelate", "jpeg": "jpeg_compression",
}  # fmt: skip
MENDED = {"glass_blur", "gaussian_blur", "fog"}


def fixed_clip() -> np.ndarray:
    """4 s of notes that come and go, at 16 kHz."""
    time_ = np.arange(64_000) / 16_000
    tones = [np.sin(2 * np.pi * f * time_) * (0.5 + 0.5 * np.sin(f * time_ / 40)) for f in (110, 470, 1700, 3600)]
    noise = np.random.default_rng(0).standard_normal(64_000) * 0.02
    return (0.1 * np.sum(tones, axis=0) + noise).astype(np.float32)


def fixed_picture(side: int) -> np.ndarray:
    """A picture with edges and gradients."""
    blocks = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(blocks).resize((side, side), Image.Resampling.BICUBIC))


def picture_peers(picture: np.ndarray) -> dict[str, Call]:
    """The same ops of imagecorruptions."""
    warnings.simplefilter("ignore")
    from imagecorruptions import corrupt, corruptions

    gaussian = corruptions.gaussian

    def mended(*arguments: object, **named: object) -> object:
        if named.pop("multichannel", False):  # scikit-image 0.19 and later: channel_axis
            named["channel_axis"] = -1
        return gaussian(*arguments, **named)

    corruptions.gaussian = mended
    np.float_ = np.float64  # type: ignore[attr-defined]  # numpy 2 took the name away
    return {
        ours: lambda theirs=theirs: corrupt(picture, corruption_name=theirs, severity=3)
        for ours, theirs in PICTURE_PEERS.items()
    }


def audio_peers(clip: np.ndarray, folder: Path) -> dict[str, Call]:
    """The same ops of audiomentations at the same strength, drawn and applied."""
    warnings.simplefilter("ignore")
    import audiomentations as peer

    noise, answer = folder / "noise", folder / "answer.wav"
    noise.mkdir()
    soundfile.write(noise / "noise.wav", np.random.default_rng(1).standard_normal(160_000) * 0.1, 16_000)
    soundfile.write(
        answer, np.random.default_rng(2).standard_normal(11_200) * np.exp(-np.arange(11_200) / 1600), 16_000
    )
    transforms = {
        "gaussian_noise": peer.AddGaussianSNR(min_snr_db=10, max_snr_db=10, p=1),
        "pink_noise": peer.AddColorNoise(min_snr_db=10, max_snr_db=10, min_f_decay=-3, max_f_decay=-3, p=1),
        "brown_noise": peer.AddColorNoise(min_snr_db=10, max_snr_db=10, min_f_decay=-6, max_f_decay=-6, p=1),
        "ambient_noise": peer.AddBackgroundNoise(noise, min_snr_db=10, max_snr_db=10, p=1),
        "reverberation": peer.ApplyImpulseResponse(str(answer), p=1),
        "low_pass": peer.LowPassFilter(min_cutoff_freq=2000, max_cutoff_freq=2000, p=1),
        "telephone_band": peer.BandPassFilter(
            min_center_freq=1850, max_center_freq=1850, min_bandwidth_fraction=1.67, max_bandwidth_fraction=1.67, p=1
        ),
        "clipping": peer.ClippingDistortion(min_percentile_threshold=20, max_percentile_threshold=20, p=1),
        "quantisation": peer.BitCrush(min_bit_depth=6, max_bit_depth=6, p=1),
        "gain": peer.Gain(min_gain_db=-18, max_gain_db=-18, p=1),
        "time_mask": peer.TimeMask(min_band_part=0.3, max_band_part=0.3, fade_duration=0, p=1),
        "time_shift": peer.Shift(min_shift=-0.3, max_shift=0.3, p=1),
        "pitch": peer.PitchShift(min_semitones=3, max_semitones=3, p=1),
        "speed": peer.Resample(min_sample_rate=19_200, max_sample_rate=19_200, p=1),
    }
    return {name: lambda t=t: t(clip, sample_rate=16_000) for name, t in transforms.items()}


def best(calls: Sequence[Call], seconds: float) -> list[float]:
    """Milliseconds of each call, the best of rounds that take turns."""
    found = [float("inf")] * len(calls)
    for call in calls:
        call()
    until = time.perf_counter() + seconds
    rounds = 0
    while rounds < 5 or time.perf_counter() < until:
        for index, call in enumerate(calls):
            started = time.perf_counter()
            call()
            found[index] = min(found[index], time.perf_counter() - started)
        rounds += 1
    return [1000 * value for value in found]


def compare(title: str, modality: str, signal: np.ndarray, peers: dict[str, Call], folder: Path) -> None:
    """One table, with the geometric mean of the ratios."""
    print(f"\n**{title}**\n\n| corruption | ours, ms | peer, ms | times faster |\n| --- | ---: | ---: | ---: |")
    ratios = []
    for name, corruption in CORRUPTIONS[modality].items():
        if corruption.domain != "signal":
            continue
        level = corruption.level(3, signal)
        clips = {"clips": noise_clips(str(folder / "noise"))} if corruption.needs_clips else {}
        rng = np.random.default_rng(7)  # one for all calls, as the peers have; one a sample costs 0.01 ms more
        ours: Call = lambda c=corruption, x=level, g=rng, r=clips: c.apply(signal, x, g, **r)  # noqa: E731
        times = best([ours, peers[name]] if name in peers else [ours], 0.4)
        ratios += [times[1] / times[0]] if len(times) > 1 else []
        theirs, ratio = (f"{times[1]:.3f}", f"{ratios[-1]:.1f}") if len(times) > 1 else ("", "")
        mark = " (mended)" if modality == "image" and name in MENDED else ""
        print(f"| {name} | {times[0]:.3f} | {theirs}{mark} | {ratio} |", flush=True)
    mean = np.exp(np.mean(np.log(ratios)))
    print(f"| **geometric mean of {len(ratios)}, slowest** | | | **{mean:.1f}, {min(ratios):.2f}** |")


def recode(job: CorruptJob) -> ShardRecord:
    """What `corrupt` cannot do without: read a shard, decode and encode what its scenario touches, write it."""
    folder = Folder(job.folder)
    samples = list(read_samples(folder.read(job.source)))
    for sample in samples:
        for modality, decode, encode in (("audio", decode_audio, encode_audio), ("image", decode_image, encode_image)):
            if modality in job.condition.scenario.plans:
                sample[modality]["bytes"] = encode(decode(sample[modality]["bytes"]))
    return write_shard(folder, job.name, samples, job.classes, job.job, job.scenario_hash)


def pipeline(sources: list[str], pairs: int) -> None:
    """`corrupt` of A, V and D on real files against `recode`, with one worker and two."""
    from avbuild.pipeline import corrupt
    from avbuild.scenarios.manifest_file import load_manifest

    print(f"\n**Whole commands**: `avbuild corrupt` of A, V and D, {pairs} pairs each\n")
    print("| workers | corrupt, pairs/s | decode + encode, pairs/s | corrupt / floor |\n| ---: | ---: | ---: | ---: |")
    speeds = []
    with tempfile.TemporaryDirectory() as folder:
        built = ["make", "cifar10-av", *sources, "--limit", pairs]
        measured(*command("avbuild", *built, "--out", folder))
        data = Folder(f"{folder}/cifar10-av")
        build, manifest = read_build(data), load_manifest(data.path("manifest.yaml"))
        for workers in (1, 2):
            seconds = [float("inf")] * 2
            for _ in range(2):
                for index, function in enumerate((corrupt.write_corrupted, recode)):
                    jobs = [
                        job
                        for name in "AVD"
                        for split in build.scenarios["C"].splits
                        for job in corrupt._jobs(data, build, manifest, name, split)
                    ]
                    started = time.perf_counter()
                    for job, _ in run(function, jobs, Engine(workers=workers)):
                        data.remove(job.name)
                    seconds[index] = min(seconds[index], time.perf_counter() - started)
            rows = sum(job.rows for job in jobs)
            speeds.append(rows / seconds[0])
            floor = rows / seconds[1]
            print(f"| {workers} | {speeds[-1]:.0f} | {floor:.0f} | {speeds[-1] / floor:.2f} |", flush=True)
    print(f"\nTwo workers: {speeds[1] / speeds[0]:.2f} times one.")


def memory(sources: list[str]) -> None:
    """Peak memory of the largest process, from few pairs to many."""
    print("\n**Peak memory** of `avbuild corrupt --scenario D`, all splits, one worker\n")
    print("| pairs | MB |\n| ---: | ---: |")
    for pairs in (500, 5_000, 20_000):
        with tempfile.TemporaryDirectory() as folder:
            built = ["make", "cifar10-av", *sources, "--limit", pairs]
            measured(*command("avbuild", *built, "--out", folder))
            line = ["corrupt", "--scenario", "D", "--data", f"{folder}/cifar10-av", "--workers", 1]
            _, megabytes = measured(*command("avbuild", *line, "--splits", "train,validation,test"))
            print(f"| {pairs:,} | {megabytes:.0f} |", flush=True)


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio-root", help="UrbanSound8K; with --images also whole commands are measured")
    parser.add_argument("--images", help="folder:PATH or cifar10:PATH")
    parser.add_argument("--folds", help="as of avbuild make")
    parser.add_argument("--pairs", type=int, default=2_000)
    options = parser.parse_args()
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(os.environ.get(name) != "1" for name in threads):  # libraries read these when they are loaded
        os.environ |= dict.fromkeys(threads, "1")
        os.execv(sys.executable, [sys.executable, *sys.argv])
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, numpy {np.__version__}")
    clip = fixed_clip()
    with tempfile.TemporaryDirectory() as folder:
        compare("Sound, 4 s at 16 kHz", "audio", clip, audio_peers(clip, Path(folder)), Path(folder))
        for side in (224, 32):
            picture = fixed_picture(side)
            compare(f"Pictures, {side} px", "image", picture, picture_peers(picture), Path(folder))
    if options.audio_root and options.images:
        sources = ["--audio-root", options.audio_root, "--images", options.images]
        sources += ["--folds", options.folds] if options.folds else []
        pipeline(sources, options.pairs)
        memory(sources)


if __name__ == "__main__":
    main()
