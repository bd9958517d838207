"""The mean over the folds of a cross-validation, for the last lines of `avtrain eval`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def fold_means(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for each cross-validation: mean ± standard deviation over folds of the accuracy by scenario.

    Args:
        evaluations: content of the JSON files of any runs; those of single runs are left out.
    """
    found: dict[tuple[str, int], dict[str, dict[int, list[float]]]] = {}
    for e in evaluations:
        if e.get("folds"):
            name = f"{e['scenario']} ({e['inference']})" if e["inference"] else str(e["scenario"])
            by_scenario = found.setdefault((str(e["run"]).split("/", 1)[0], len(e["folds"])), {})
            by_scenario.setdefault(name, defaultdict(list))[e["fold"]].append(e["accuracy"])
    return [
        f"{name}, mean ± std over folds: "
        + "  ".join(_told(scenario, by_fold, n) for scenario, by_fold in each.items())
        for (name, n), each in found.items()
    ]


def _told(scenario: str, by_fold: Mapping[int, Sequence[float]], folds: int) -> str:
    means = [float(np.mean(values)) for values in by_fold.values()]
    spread = f" ± {np.std(means, ddof=1):.3f}" if len(means) > 1 else ""
    return f"{scenario} {np.mean(means):.3f}{spread} ({len(means)} of {folds} folds)"
