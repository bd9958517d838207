"""Measure the cost of training of each method, relative to fine-tuning: weights, peak memory, time per epoch.

    python benchmarks/training.py manifests/urbansound8kav.yaml --set backbone.vision=FILE --set backbone.audio=FILE
    python benchmarks/training.py --synthetic 256 --backbone dual-shapes --epochs 3 > table.md

All methods run on the same device with the same data and batch size; compare ratios, not absolute times. Each method
is one `avtrain fit` in its own process, with its own cache that starts empty. Peak memory is on CUDA that of the
allocator in training and validation, on a CPU that of the whole process, libraries and building the cache included.
`--synthetic N` makes N pairs (at least 60) instead of reading a manifest. The backbone `dual-shapes` is `dual` at its
published sizes with random weights; `cav-mae` and `tiny` have random weights too.
"""

import argparse
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

from building import command

METHODS = {
    "finetune": ("finetune",),
    "linear-probe": ("linear-probe",),
    "lora": ("lora",),
    "adapter": ("adapter",),
    "map": ("map",),
    "prompt-fusion": ("prompt", "--set", "method.depth=fusion"),
    "prompt-input": ("prompt", "--set", "method.depth=input"),
    "prompt-deep": ("prompt", "--set", "method.depth=deep"),
    "spiking": ("spiking",),
}
COLUMNS = (
    "method", "trained weights", "all weights", "peak memory, GiB", "s per epoch", "s to 99 %", "s for the cache",
    "times faster", "times less memory",
)  # fmt: skip


def run(*line: str) -> None:
    """Run a command in its own process; exit with the command's own message where it fails.

    The peak of a process includes the memory of its parent at the time it was started, so heavy libraries are imported
    in this process only after the last command.
    """
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)


def write_encoders(folder: Path) -> None:
    """Write DINOv2's ViT-S/14 and the encoder of Whisper tiny, at their published sizes, with random weights."""
    from safetensors.torch import save_file

    from avtrain.backbones.vit import VisionTransformer
    from avtrain.backbones.whisper import WhisperEncoder

    vision = VisionTransformer(width=384, heads=6, layers=12, patch=14, grid=37)
    audio = WhisperEncoder(width=384, heads=6, layers=4, positions=1500)
    for name, encoder in (("vision", vision), ("audio", audio)):
        save_file(encoder.state_dict(), folder / f"{name}.safetensors")


def backbone_options(name: str, folder: Path) -> list[str]:
    """Return the options of `avtrain fit` for a backbone; for `dual-shapes`, write its weights first."""
    if name != "dual-shapes":
        return ["--backbone", name]
    writer = get_context("spawn").Process(target=write_encoders, args=(folder,))
    writer.start()
    writer.join()
    if writer.exitcode:
        sys.exit(f"writing random encoders failed with exit code {writer.exitcode}")
    sets = [f"backbone.{part}={folder / part}.safetensors" for part in ("vision", "audio")]
    return ["--backbone", "dual", "--set", sets[0], "--set", sets[1]]


def measure(chosen: list[str], options: argparse.Namespace, folder: Path) -> str:
    """Fit every chosen method, with its run at folder/runs/NAME; return the path of the manifest."""
    manifest = options.manifest
    if manifest is None:
        run(*command("avbuild", "make", "demo-av", "--limit", options.synthetic, "--out", folder))
        manifest = str(folder / "demo-av" / "manifest.yaml")
    shared = [*backbone_options(options.backbone, folder), "--epochs", options.epochs, "--device", options.device]
    shared += ["--batch-size", options.batch_size, "--precision", options.precision, "--workers", options.workers]
    shared += [word for setting in options.set for word in ("--set", setting)]
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        places = ["--out", folder / "runs", "--name", name, "--cache", folder / "features" / name]
        run(*command("avtrain", "fit", manifest, "--method", *METHODS[name], *shared, *places))
    return manifest


def print_table(chosen: list[str], runs: Path) -> None:
    """Print the costs that the runs recorded."""
    from avtrain.runs.cost import cost
    from avtrain.runs.folder import Run

    costs = {name: cost([Run(runs / name / "seed0")]) for name in chosen}
    full = costs["finetune"]
    print("| " + " | ".join(COLUMNS) + " |\n| --- |" + " ---: |" * (len(COLUMNS) - 1))
    for name, own in costs.items():
        memory = less = ""
        if own.peak_memory and full.peak_memory:
            memory, less = f"{own.peak_memory / 2**30:.2f}", f"{full.peak_memory / own.peak_memory:.2f}"
        seconds = [f"{x:.3g}" for x in (own.seconds_per_epoch, own.seconds_to_nearly, own.cache_seconds)]
        faster = f"{full.seconds_per_epoch / own.seconds_per_epoch:,.1f}"
        cells = (name, f"{own.trainable:,}", f"{own.parameters:,}", memory, *seconds, faster, less)
        print("| " + " | ".join(cells) + " |")


def print_conditions(manifest: str, runs: Path, options: argparse.Namespace) -> None:
    """Print device, versions, data and settings of the measurement."""
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.data.shards import read_rows
    from avtrain.runs.folder import Run

    first = Run(runs / "finetune" / "seed0")
    env, fit, memory = first.read_json("env.json"), first.config().fit, first.read_json("result.json")["peak_memory"]
    pairs = len(read_rows(load_manifest(manifest), "train").samples)
    of = f"peak memory of the {memory['of']}" if memory else "peak memory is not known on this system"
    print(
        f"{env['device']} ({env['device_name']}), {env['threads']} threads, torch {env['versions']['torch']}, "
        f"{fit.precision}; backbone {options.backbone}, {pairs:,} training pairs, batch size {fit.batch_size}; seconds "
        f"of training alone, median of {fit.epochs} epochs; {of}.\n"
    )


def print_published() -> None:
    """Print the published ratios, and why they cannot be compared with the measured ones."""
    from avtrain.reproduction.prompt_the_missing.published import EFFICIENCY

    ratios = [claim for claim in EFFICIENCY if claim.system is None]
    reasons = dict.fromkeys(reason for claim in ratios for reason in claim.reasons)
    print(f"\nPublished: {', '.join(claim.says for claim in ratios)}. Not comparable: {'; '.join(reasons)}.")


def main() -> None:
    """Fit all chosen methods, then print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("manifest", nargs="?", help="manifest of the training and validation data")
    data.add_argument("--synthetic", type=int, metavar="N", help="make N synthetic pairs instead")
    parser.add_argument("--backbone", default="dual", choices=("dual", "dual-shapes", "cav-mae", "tiny"))
    parser.add_argument(
        "--methods", default=",".join(METHODS), help="names joined by commas; finetune is always measured"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for avtrain fit")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--workers", type=int, default=0, help="number of processes that load data")
    options = parser.parse_args()
    asked = options.methods.split(",")
    if unknown := [name for name in asked if name not in METHODS]:
        parser.error(f"--methods {unknown[0]}: allowed are {', '.join(METHODS)}")
    chosen = [name for name in METHODS if name in ("finetune", *asked)]
    with tempfile.TemporaryDirectory() as folder:
        manifest = measure(chosen, options, Path(folder))
        print_conditions(manifest, Path(folder) / "runs", options)
        print_table(chosen, Path(folder) / "runs")
    print_published()


if __name__ == "__main__":
    main()
