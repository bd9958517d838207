"""The modalities that samples have under a scenario, known from its plan without reading a signal."""

import numpy as np
from numpy.typing import NDArray

from avbuild.scenarios.manifest import Manifest
from avbuild.scenarios.plan import condition, plan_sample
from avbuild.scenarios.spec import Scenario
from avtrain.data.samples import Rows

Presence = dict[str, NDArray[np.bool_]]  # modality -> [n], whether each sample has it


def only_drops(scenario: Scenario) -> bool:
    """Return whether a scenario does nothing but make modalities null, so that what is left is as in clean data."""
    fills = [scenario.missing.fill] if scenario.missing else []
    fills += [plan.fill for plan in scenario.plans.values() if plan.missing_rate]
    return bool(fills) and not scenario.ops and set(fills) == {"null"}


def drops(scenario: Scenario) -> bool:
    """Return whether a scenario makes modalities missing, whatever else it does and whatever replaces them."""
    return scenario.missing is not None or any(plan.missing_rate for plan in scenario.plans.values())


def presence(rows: Rows, manifest: Manifest, scenario: str, draw: int) -> Presence:
    """Return which modalities each sample has under a scenario; one that is replaced by a fill counts as there.

    Args:
        rows: of a split, clean or read as the scenario is on disk.
        manifest: defines the scenario.
        scenario: name.
        draw: number of the draw, 0 as it is evaluated.

    Returns:
        Modality -> [n], in the order of the rows.
    """
    found = {m: np.zeros(len(rows.samples), dtype=bool) for m in rows.modalities}
    spec = manifest.scenarios[scenario]
    planned = condition(manifest, scenario) if scenario != rows.scenario and drops(spec) else None
    for row, sample in enumerate(rows.samples):
        lost = frozenset[str]()
        if planned is not None:
            plan = plan_sample(planned, sample.id, sample.media, draw)
            lost = frozenset(m for m in plan.missing if plan.fill(m) == "null")
        for modality in sample.media:
            found[modality][row] = modality not in lost
    return found
