"""Lines that say how much was really missing under each scenario, beside the nominal rate."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from avtrain.data.masks import MissingShares


def missing_by_scenario(evaluations: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, MissingShares]]:
    """Return nominal rate and real shares of each scenario under which cells are missing; over folds, the mean.

    Args:
        evaluations: content of the JSON files of scores, of one manifest; earlier versions wrote no shares, and theirs
            are left out.
    """
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for e in evaluations:
        if e.get("nominal_rate") or e.get("cells_missing"):
            found[e["scenario"]].append(e)
    return {
        name: (
            each[0]["nominal_rate"] or "as the data are",
            MissingShares(*(float(np.mean([e[key] for e in each])) for key in ("cells_missing", "complete"))),
        )
        for name, each in found.items()
    }


def missing_lines(evaluations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one line for each scenario that makes modalities missing, such as `M30: cpm 30 %, 29.1 % of cells ...`.

    Args:
        evaluations: as for `missing_by_scenario`, of one manifest or several.
    """
    by_manifest: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for e in evaluations:
        by_manifest[f"{e['manifest']}, {e['other_manifest']}" if e["other_manifest"] else e["manifest"]].append(e)
    several = len(by_manifest) > 1
    return [
        f"{f'{manifest}, ' if several else ''}{scenario}: {rate}, {shares}"
        for manifest, each in by_manifest.items()
        for scenario, (rate, shares) in missing_by_scenario(each).items()
    ]
