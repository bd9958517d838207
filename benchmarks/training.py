"""What training costs, method by method: weights, peak memory, time an epoch, each beside fine-tuning.

    python benchmarks/training.py manifests/urbansound8kav.yaml --set backbone.vision=FILE --set backbone.audio=FILE
    python benchmarks/training.py --synthetic 256 --backbone dual-shapes --epochs 3 > table.md

One run, one device, equal data and batch size, so that only ratios matter. Each method is one `avtrain fit` in a
process of its own, with a cache of its own that starts empty. Peak memory: on CUDA that of the allocator in training
and validation; on a CPU all the process ever held, libraries and cache building included. `--synthetic` makes so many
pairs of its own, 60 at least; the backbone `dual-shapes` is `dual` at its published sizes with random weights;
`cav-mae` and `tiny` are random too.
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
    "method", "trained", "of all", "peak memory, GiB", "s an epoch", "s to 99 %", "s for the cache",
    "times faster", "times less memory",
)  # fmt: skip


def run(*line: str) -> None:
    """A command in its own process; ends the program with the command's own words where it fails.

    A process counts what its parent held when it was started as its own peak, so nothing heavy is imported in this one
    until the last has ended.
    """
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)


def write_encoders(folder: Path) -> None:
    """DINOv2's ViT-S/14 and Whisper tiny's encoder, at their published sizes, random."""
    from safetensors.torch import save_file

    from avtrain.backbones.vit import VisionTransformer
    from avtrain.backbones.whisper import WhisperEncoder

    vision = VisionTransformer(width=384, heads=6, layers=12, patch=14, grid=37)
    audio = WhisperEncoder(width=384, heads=6, layers=4, positions=1500)
    for name, encoder in (("vision", vision), ("audio", audio)):
        save_file(encoder.state_dict(), folder / f"{name}.safetensors")


def backbone_options(name: str, folder: Path) -> list[str]:
    """What `avtrain fit` is told of the backbone."""
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
    """Fit every method chosen, its run at folder/runs/NAME; returns the manifest's path."""
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


def table(chosen: list[str], runs: Path) -> None:
    """Print what the runs wrote down."""
    from avtrain.runs.cost import cost
    from avtrain.runs.folder import Run

    costs = {name: cost([Run(runs / name / "seed0")]) for name in chosen}
    full = costs["finetune"]
    print("| " + " | ".join(COLUMNS) + " |\n| --- |" + " ---: |" * (len(COLUMNS) - 1))
    for name, found in costs.items():
        memory = less = ""
        if found.peak_memory and full.peak_memory:
            memory, less = f"{found.peak_memory / 2**30:.2f}", f"{full.peak_memory / found.peak_memory:.2f}"
        seconds = [f"{x:.3g}" for x in (found.seconds_per_epoch, found.seconds_to_nearly, found.cache_seconds)]
        faster = f"{full.seconds_per_epoch / found.seconds_per_epoch:,.1f}"
        cells = (name, f"{found.trainable:,}", f"{found.parameters:,}", memory, *seconds, faster, less)
        print("| " + " | ".join(cells) + " |")


def describe(manifest: str, runs: Path, options: argparse.Namespace) -> None:
    """Print on what it was measured."""
    from avbuild.scenarios.manifest_file import load_manifest
    from avtrain.data.shards import read_rows
    from avtrain.runs.folder import Run

    first = Run(runs / "finetune" / "seed0")
    where, fit, memory = first.read_json("env.json"), first.config().fit, first.read_json("result.json")["peak_memory"]
    pairs, of = len(read_rows(load_manifest(manifest), "train").samples), memory["of"] if memory else "system: unknown"
    print(
        f"{where['device']} ({where['device_name']}), {where['threads']} threads, torch {where['versions']['torch']}, "
        f"{fit.precision}; backbone {options.backbone}, {pairs:,} training pairs, batch {fit.batch_size}; seconds of "
        f"training alone, the median of {fit.epochs} epochs; peak memory of the {of}.\n"
    )


def published() -> None:
    """Print the published ratios, and what keeps them apart from these."""
    from avtrain.reproduction.prompt_the_missing.published import EFFICIENCY

    ratios = [claim for claim in EFFICIENCY if claim.system is None]
    reasons = dict.fromkeys(reason for claim in ratios for reason in claim.reasons)
    print(f"\nPublished: {', '.join(claim.says for claim in ratios)}. Not comparable: {'; '.join(reasons)}.")


def main() -> None:
    """Fit all, then print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("manifest", nargs="?", help="whose training and validation data are used")
    data.add_argument("--synthetic", type=int, metavar="N", help="make N pairs instead")
    parser.add_argument("--backbone", default="dual", choices=("dual", "dual-shapes", "cav-mae", "tiny"))
    parser.add_argument("--methods", default=",".join(METHODS), help="some of them; finetune always is")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of avtrain fit")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--workers", type=int, default=0, help="processes that load data")
    options = parser.parse_args()
    asked = options.methods.split(",")
    if unknown := [name for name in asked if name not in METHODS]:
        parser.error(f"--methods {unknown[0]}: allowed are {', '.join(METHODS)}")
    chosen = [name for name in METHODS if name in ("finetune", *asked)]
    with tempfile.TemporaryDirectory() as folder:
        manifest = measure(chosen, options, Path(folder))
        describe(manifest, Path(folder) / "runs", options)
        table(chosen, Path(folder) / "runs")
    published()


if __name__ == "__main__":
    main()
