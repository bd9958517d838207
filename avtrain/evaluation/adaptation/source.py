"""The statistics of a run's training features, by scenario and modality, which adapters compare a stream with.

`source.safetensors` in the folder of the run holds, for each training scenario and modality: mean and standard
deviation of each feature, some samples' features, and the 95 % quantile of the distance of a batch's mean, by batch
size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from avbuild.errors import UserError
from avbuild.scenarios.seeding import rng_for
from avtrain.runs.folder import Run
from avtrain.runs.sealed import damaged, open_tensors, sealed_tensors

FILE = "source.safetensors"
MOST = 512  # samples a scenario that the statistics are computed from
KEPT = 256  # of which so many are kept
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # batch sizes whose quantile is stored
REPLICATES, LEVEL = 400, 0.95  # of the bootstrap
SEPARATOR = "/"  # between scenario, modality and statistic in the names of tensors; no scenario's name has one
STATISTICS = ("mean", "std", "samples", "quantiles")


@dataclass(frozen=True)
class FeatureStatistics:
    """The features of one modality under one scenario.

    Attributes:
        mean: [F].
        std: [F], above 0.
        samples: [n, F], features of some samples.
        quantiles: [sizes], 95 % quantile of `distance` of batches of the training data, by the sizes in `SIZES`.
    """

    mean: Tensor
    std: Tensor
    samples: Tensor
    quantiles: Tensor

    def distance(self, mean: Tensor) -> float:
        """Return the root mean square, over features, of a batch mean's difference in standard deviations."""
        return float(((mean - self.mean) / self.std).square().mean().sqrt())

    def quantile(self, size: int) -> float:
        """Return the 95 % quantile of the distance of a batch's mean.  size: of the batch, from 1."""
        # between two sizes as the power law that it nearly is
        logs = np.interp(np.log(size), np.log(SIZES), self.quantiles.double().log().numpy())
        return float(np.exp(logs))


@dataclass(frozen=True)
class SourceStatistics:
    """The features of a run's training data.

    Attributes:
        by_modality: modality -> scenario -> statistics; without scenarios in which the modality is always missing.
    """

    by_modality: Mapping[str, Mapping[str, FeatureStatistics]]

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by names that `from_tensors` reads."""
        return {
            SEPARATOR.join((scenario, modality, name)): getattr(found, name)
            for modality, scenarios in self.by_modality.items()
            for scenario, found in scenarios.items()
            for name in STATISTICS
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "SourceStatistics":
        """Return what `tensors` wrote.  Raises KeyError or ValueError where it is something else."""
        by_modality: dict[str, dict[str, FeatureStatistics]] = {}
        for key in tensors:
            scenario, modality, name = key.split(SEPARATOR)
            if name == STATISTICS[0]:
                parts = [tensors[SEPARATOR.join((scenario, modality, part))] for part in STATISTICS]
                by_modality.setdefault(modality, {})[scenario] = FeatureStatistics(*parts)
        return cls(by_modality)

    @property
    def finite(self) -> bool:
        """Return whether all values are finite."""
        return all(bool(value.isfinite().all()) for value in self.tensors().values())


def summarise(features: Mapping[str, Mapping[str, Tensor]], seed: int) -> SourceStatistics:
    """Compute the statistics of features.

    Args:
        features: scenario -> modality -> [n, F]; a modality with fewer than two samples under a scenario is left out.
        seed: decides the bootstrap's draws.
    """
    by_modality: dict[str, dict[str, FeatureStatistics]] = {}
    for scenario, modalities in features.items():
        for modality, values in modalities.items():
            if len(values) > 1:
                rng = rng_for(seed=seed, scenario=scenario, sample="bootstrap of batches", modality=modality, op=0)
                by_modality.setdefault(modality, {})[scenario] = _summarise(values.double(), rng)
    return SourceStatistics(by_modality)


def _summarise(values: Tensor, rng: np.random.Generator) -> FeatureStatistics:
    mean, std = values.mean(dim=0), values.std(dim=0)
    positive = std[std > 0]
    floor = 1e-3 * positive.median() if len(positive) else std.new_ones(())
    std = std.clamp(min=float(floor))  # a feature that is constant in training must not decide alone
    standardised = (values - mean) / std
    quantiles = []
    for size in SIZES:
        counts = rng.multinomial(size, np.full(len(values), 1 / len(values)), REPLICATES) / size
        means = torch.from_numpy(counts) @ standardised
        quantiles.append(float(means.square().mean(dim=1).sqrt().quantile(LEVEL)))
    return FeatureStatistics(
        mean.float(), std.float(), values[:KEPT].float(), torch.tensor(quantiles, dtype=torch.float32).clamp(min=1e-9)
    )


def save_statistics(run: Run, statistics: SourceStatistics) -> None:
    """Write the statistics into the folder of a run."""
    run.write_bytes(FILE, sealed_tensors(statistics.tensors()))


def load_statistics(run: Run) -> SourceStatistics | None:
    """Return the statistics that are stored with a run; None where an earlier version trained it.

    Raises:
        UserError: the file is damaged.
    """
    path, advice = run.folder / FILE, f"Delete the file; avtrain eval {run} --adapt align computes it anew"
    if not path.exists():
        return None
    tensors = open_tensors(path, advice)
    try:
        found = SourceStatistics.from_tensors(tensors)
    except (KeyError, ValueError, TypeError) as error:
        raise damaged(str(path), f"not statistics of features: {error}", advice) from error
    if not found.finite:
        raise damaged(str(path), "its values are not finite", advice)
    return found


def require_statistics(run: Run) -> SourceStatistics:
    """Return the statistics that are stored with a run.  Raises UserError where there are none."""
    if (found := load_statistics(run)) is None:
        raise UserError(
            f"{run}: has no {FILE}, since an earlier version of avtrain trained it; "
            f"avtrain eval {run} --adapt align computes it from the training data"
        )
    return found
