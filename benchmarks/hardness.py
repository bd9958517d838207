"""Choose the levels of hard conditions on the validation split, by how much a clean-trained run loses under them.

    avtrain fit manifests/urbansound8kav.yaml --method linear-probe --train-on clean --seeds 0,1,2 --name clean
    python benchmarks/hardness.py runs/clean

Rule: of each corruption, the weakest level of its list below at which the run loses at least 25 points of accuracy on
the validation split, or four fifths of what it loses without the modality where that is less; a corruption that never
loses as much is left out.  A scenario of some modalities draws one of their corruptions for each sample.  Prints a
Markdown table of all levels, the scenarios as YAML, and their accuracies, which have to lose as much for one modality,
and to be between chance + 5 and 40 % for all modalities together.
The test split is not read.
"""

import argparse
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from avbuild.scenarios.manifest import Manifest
from avtrain.data.dataset import MultimodalData
from avtrain.data.samples import Rows
from avtrain.data.shards import read_rows
from avtrain.device import Machine, pick_device
from avtrain.evaluation.evaluate import load_method
from avtrain.evaluation.metrics import accuracy
from avtrain.evaluation.predict import predict
from avtrain.methods.base import Method
from avtrain.runs.folder import Run
from avtrain.runs.search import find_runs

Level = dict[str, float]

# from weak to strong; most lists go on where severity 5 ends
LEVELS: Mapping[str, Mapping[str, Sequence[Level]]] = {
    "audio": {
        "gaussian_noise": [{"snr_db": x} for x in (10, 5, 0, -5, -10, -15, -20)],
        "time_mask": [{"fraction": x} for x in (0.5, 0.7, 0.8, 0.9, 0.95)],
        "packet_loss": [{"rate": x} for x in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)],
        "low_pass": [{"cutoff": x} for x in (2000, 1000, 500, 250, 125)],
    },
    "image": {
        "gaussian_noise": [{"std": x} for x in (0.1, 0.18, 0.26, 0.38, 0.5, 0.7, 1.0)],
        "box_blur": [{"radius": x} for x in (1, 2, 3, 4, 6, 8)],
        "pixelate": [{"scale": x} for x in (0.5, 0.35, 0.25, 0.18, 0.12, 0.08)],
        "occlusion": [{"fraction": x} for x in (0.3, 0.5, 0.7, 0.8, 0.9)],
    },
    "text": {
        "typos": [{"rate": x} for x in (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)],
        "ocr": [{"rate": x} for x in (0.1, 0.3, 0.5, 0.8, 1.0)],
        "word_drop": [{"rate": x} for x in (0.3, 0.5, 0.7, 0.9)],
        "truncation": [{"kept": x} for x in (0.5, 0.25, 0.1, 0.05)],
    },
}
LOSS, OF_ABSENCE, ABOVE_CHANCE, MOST_OF_ALL = 0.25, 0.8, 0.05, 0.40


class Probe:
    """The accuracy of finished runs on their validation split under any scenario, mean over draws and seeds."""

    def __init__(self, runs: Sequence[Run], draws: int) -> None:
        self.machine, self.draws = Machine(pick_device("auto"), 0, None), draws
        self.manifest: Manifest = runs[0].config().manifest
        self.rows: Rows = read_rows(self.manifest, "validation", self.machine.row_cache)
        self.methods: list[Method] = [load_method(r, r.config(), len(self.rows.classes), self.machine) for r in runs]

    def __call__(self, scenario: Mapping[str, object]) -> float:
        """Score one scenario, written as in a manifest."""
        content = {**self.manifest.model_dump(), "scenarios": {"X": dict(scenario)}}
        manifest = Manifest.model_validate(content)
        scores = []
        for method in self.methods:
            method.inference = "concat" if method.inference_modes else None
            data = MultimodalData(self.rows, manifest, method.backbone.frontend, ("X",))
            for draw in range(self.draws if scenario else 1):
                out = predict(method, data.at(draw), 32, self.machine, "fp32")
                scores.append(accuracy(out.logits.argmax(axis=1), out.labels))
        return float(np.mean(scores))


def main() -> None:
    """Measure all levels, choose, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="+", help="trained on clean data alone")
    parser.add_argument("--draws", type=int, default=3, help="draws of each corruption")
    arguments = parser.parse_args()
    runs = find_runs(arguments.run)
    if any(run.config().fit.train_on != "clean" for run in runs):
        sys.exit("the levels are chosen with runs that were trained on clean data (avtrain fit ... --train-on clean)")
    probe = Probe(runs, arguments.draws)
    clean = probe({})
    print(f"{len(runs)} runs, {len(probe.rows.samples)} validation samples, clean {100 * clean:.1f} %\n")
    modalities = [m for m in probe.rows.modalities if m in LEVELS]
    needed = {m: min(LOSS, OF_ABSENCE * (clean - probe({m: "missing"}))) for m in modalities}
    chosen = {m: choose(probe, m, clean, needed[m]) for m in modalities}
    print_scenarios(probe, chosen, clean, needed)


def choose(probe: Probe, modality: str, clean: float, needed: float) -> list[dict[str, Level]]:
    """Return the corruptions of a modality at their chosen levels, and print a line for each level."""
    print(f"{modality}: {100 * needed:.1f} points have to be lost\n")
    print(f"| {modality} | level | accuracy, % | lost |\n| --- | --- | ---: | ---: |")
    chosen = []
    for op, levels in LEVELS[modality].items():
        for level in levels:
            found = probe({modality: [{op: level}]})
            enough = clean - found >= needed
            written = ", ".join(f"{name} {value:g}" for name, value in level.items())
            mark = " **chosen**" if enough else ""
            print(f"| {op} | {written}{mark} | {100 * found:.1f} | {100 * (clean - found):.1f} |", flush=True)
            if enough:
                chosen.append({op: level})
                break
    print()
    return chosen


def print_scenarios(
    probe: Probe, chosen: Mapping[str, list[dict[str, Level]]], clean: float, needed: Mapping[str, float]
) -> None:
    """Print every set of modalities as a scenario, its accuracy, and whether the rule holds."""
    print("| corrupted | accuracy, % | rule |\n| --- | ---: | --- |")
    chance = 1 / len(probe.rows.classes)
    for modalities in subsets(list(chosen)):
        found = probe({m: {"any_of": chosen[m]} for m in modalities})
        if len(modalities) == 1:
            rule = f"loses {100 * (clean - found):.1f}: {'met' if clean - found >= needed[modalities[0]] else 'missed'}"
        elif len(modalities) == len(chosen):
            within = chance + ABOVE_CHANCE <= found <= MOST_OF_ALL
            rule = f"{100 * (chance + ABOVE_CHANCE):.1f} to {100 * MOST_OF_ALL:.0f}: {'met' if within else 'missed'}"
        else:
            rule = ""
        print(f"| {', '.join(modalities)} | {100 * found:.1f} | {rule} |", flush=True)
    print()
    for modality, ops in chosen.items():
        print(f"{modality}: {{any_of: {ops}}}".replace("'", ""))


def subsets(modalities: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """Return all sets of modalities that are not empty, small ones first."""
    return itertools.chain.from_iterable(
        itertools.combinations(modalities, size) for size in range(1, len(modalities) + 1)
    )


if __name__ == "__main__":
    main()
