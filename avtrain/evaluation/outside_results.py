"""The scores that `avtrain.evaluate` returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avtrain.evaluation.missing_lines import missing_lines

SHOWN = {"accuracy": "accuracy", "macro_f1": "macro F1", "calibration_error": "calibration error"}


@dataclass(frozen=True)
class EvaluationResults:
    """Scores of one model, by scenario.

    Attributes:
        name: of the model.
        manifest: name of the manifest.
        folder: that the scores were written to; `avtrain report` reads it.
        scenarios: scores by scenario: `accuracy`, `macro_f1` and `calibration_error` from 0 to 1, `n` samples,
            `confusion` [classes, classes], `classes`, and what else `avtrain eval` writes.
    """

    name: str
    manifest: str
    folder: Path
    scenarios: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, scenario: str) -> Mapping[str, Any]:
        """Return the scores under one scenario."""
        return self.scenarios[scenario]

    @property
    def accuracy(self) -> dict[str, float]:
        """Return the accuracies from 0 to 1, by scenario."""
        return {name: scores["accuracy"] for name, scores in self.scenarios.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, which JSON can hold."""
        scenarios = {name: dict(scores) for name, scores in self.scenarios.items()}
        return {"name": self.name, "manifest": self.manifest, "folder": str(self.folder), "scenarios": scenarios}

    def __repr__(self) -> str:
        width = max(len("scenario"), *map(len, self.scenarios))
        lines = [f"{self.name} on {self.manifest} ({self.folder})"]
        lines.append("  ".join([f"{'scenario':<{width}}", *SHOWN.values(), "    n"]))
        for name, scores in self.scenarios.items():
            values = [f"{scores[key]:>{len(title)}.3f}" for key, title in SHOWN.items()]
            lines.append("  ".join([f"{name:<{width}}", *values, f"{scores['n']:>5}"]))
        return "\n".join([*lines, *missing_lines(self.scenarios.values())])
