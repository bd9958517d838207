"""Run a method over a split: what validation and `avtrain eval` share."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avtrain.data.batch_source import BatchSource
from avtrain.device import Machine
from avtrain.distributed.row_sharing import gather_rows
from avtrain.evaluation.metrics import accuracy
from avtrain.methods.base import Method


@dataclass(frozen=True)
class Outputs:
    """Scores of n samples, in the order of the data."""

    logits: NDArray[np.float64]  # [n, classes]
    per_modality: dict[str, NDArray[np.float64]]  # [n, classes] each
    present: dict[str, NDArray[np.bool_]]  # [n] each
    labels: NDArray[np.int64]  # [n]
    ids: tuple[str, ...]
    choice: NDArray[np.float64] | None = None  # [n, sets], where a router weighs prompt sets


@torch.no_grad()
def predict(method: Method, data: BatchSource, batch_size: int, machine: Machine, precision: str) -> Outputs:
    """Scores for every sample."""
    method.eval()
    logits: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    ids: list[str] = []
    per_modality: dict[str, list[torch.Tensor]] = {}
    present: dict[str, list[torch.Tensor]] = {}
    choice: list[torch.Tensor] = []
    for loaded in data.batches(batch_size, loader=machine.loader_options):
        batch = gather_rows(loaded.to(machine.device))
        with machine.autocast(precision):
            prediction = method(batch)
        logits.append(prediction.logits.double().cpu())
        labels.append(batch.labels.cpu())
        ids += batch.ids
        for modality, scores in prediction.per_modality.items():
            per_modality.setdefault(modality, []).append(scores.double().cpu())
        if prediction.choice is not None:
            choice.append(prediction.choice.double().cpu())
        for modality, there in batch.present.items():
            present.setdefault(modality, []).append(there.cpu())
    return Outputs(
        logits=torch.cat(logits).numpy(),
        per_modality={m: torch.cat(scores).numpy() for m, scores in per_modality.items()},
        present={m: torch.cat(there).numpy() for m, there in present.items()},
        labels=torch.cat(labels).numpy(),
        ids=tuple(ids),
        choice=torch.cat(choice).numpy() if choice else None,
    )


def unimodal_accuracy(outputs: Outputs) -> dict[str, float]:
    """Of each modality's own scores, over the samples that have it: on the others there is nothing to score."""
    return {
        m: accuracy(scores.argmax(axis=1)[outputs.present[m]], outputs.labels[outputs.present[m]])
        for m, scores in outputs.per_modality.items()
        if outputs.present[m].any()
    }
