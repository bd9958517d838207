"""The training data of a run as adapters know them: statistics of features, and the weights of two opinions.

They are in `source.safetensors` in the folder of the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from avtrain.evaluation.adaptation.feature_statistics import STATISTICS, FeatureStatistics
from avtrain.evaluation.adaptation.opinions import OPINIONS, Opinions
from avtrain.runs.folder import Run
from avtrain.runs.sealed import damaged, open_tensors, sealed_tensors

FILE = "source.safetensors"
SEPARATOR = "/"  # between scenario, modality and statistic in the names of tensors; no scenario's name has one
OPINION = "opinions" + SEPARATOR  # how the names of the others begin


@dataclass(frozen=True)
class SourceStatistics:
    """The features of a run's training data.

    Attributes:
        by_modality: modality -> scenario -> statistics; without scenarios in which the modality is always missing.
        opinions: how the run and the discriminant are added.
    """

    by_modality: Mapping[str, Mapping[str, FeatureStatistics]]
    opinions: Opinions

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by names that `from_tensors` reads."""
        of_features = {
            SEPARATOR.join((scenario, modality, name)): getattr(found, name)
            for modality, scenarios in self.by_modality.items()
            for scenario, found in scenarios.items()
            for name in STATISTICS
        }
        return of_features | {OPINION + name: getattr(self.opinions, name) for name in OPINIONS}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "SourceStatistics":
        """Return what `tensors` wrote.  Raises KeyError or ValueError where it is something else."""
        by_modality: dict[str, dict[str, FeatureStatistics]] = {}
        for key in tensors:
            if key.startswith(OPINION) and key.count(SEPARATOR) == 1:
                continue
            scenario, modality, name = key.split(SEPARATOR)
            if name == STATISTICS[0]:
                parts = (tensors[SEPARATOR.join((scenario, modality, part))] for part in STATISTICS)
                by_modality.setdefault(modality, {})[scenario] = FeatureStatistics(*parts)
        return cls(by_modality, Opinions(*(tensors[OPINION + name] for name in OPINIONS)))


def save_statistics(run: Run, statistics: SourceStatistics) -> None:
    """Write the statistics into the folder of a run."""
    run.write_bytes(FILE, sealed_tensors(statistics.tensors()))


def load_statistics(run: Run) -> SourceStatistics | None:
    """Return the statistics that are stored with a run; None where there are none.

    Raises:
        UserError: the file is damaged.
    """
    path, advice = run.folder / FILE, f"Delete the file; avtrain eval {run} --adapt align computes it anew"
    if not path.exists():
        return None
    tensors = open_tensors(path, advice)
    try:
        found = SourceStatistics.from_tensors(tensors)
    except (KeyError, ValueError) as error:
        raise damaged(str(path), f"not statistics of features: {error}", advice) from error
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise damaged(str(path), "its values are not finite", advice)
    return found
