"""The modalities that samples have under a scenario, known from its plan without reading a signal."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbuild.corruptions.missing import PROTOCOLS
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


@dataclass(frozen=True)
class MissingShares:
    """The shares that are really missing, beside the nominal rate.

    Attributes:
        cells_missing: share of all cells, sample by modality, that are missing.
        complete: share of the samples that have all modalities.
    """

    cells_missing: float
    complete: float

    def __str__(self) -> str:
        return f"{100 * self.cells_missing:.1f} % of cells missing, {100 * self.complete:.1f} % of samples complete"


def missing_shares(present: Mapping[str, NDArray[np.bool_]]) -> MissingShares:
    """Return the shares that are missing.

    Args:
        present: modality -> [n], whether each sample has it.
    """
    table = np.stack(list(present.values()))
    return MissingShares(float(1 - table.mean()), float(table.all(axis=0).mean()))


def nominal_rate(scenario: Scenario) -> str:
    """Return the missing rate that a scenario asks for, such as `cpm 30 %` or `audio 50 %`; empty where it has none."""
    if scenario.missing is not None:
        name = scenario.missing.protocol
        return f"{name} {100 * scenario.missing.rate:g} %" if PROTOCOLS[name].uses_rate else name
    return ", ".join(f"{m} {100 * plan.missing_rate:g} %" for m, plan in scenario.plans.items() if plan.missing_rate)


def digest_presence(ids: Sequence[str], present: Mapping[str, NDArray[np.bool_]]) -> str:
    """Return a digest of which modalities each sample has, to tell whether two methods saw the same.

    Args:
        ids: n sample ids.
        present: modality -> [n].
    """
    found = hashlib.blake2b("\0".join(ids).encode("utf-8", "surrogatepass"), digest_size=16)
    for modality, mask in present.items():
        found.update(modality.encode() + np.packbits(mask).tobytes())
    return found.hexdigest()
