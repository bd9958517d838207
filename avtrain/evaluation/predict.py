"""Running a method over a split, for the selection of the best epoch and for `avtrain eval`."""

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
    """The predictions for n samples, in the order of the data.

    Attributes:
        logits: [n, classes].
        per_modality: modality -> [n, classes], scores of each modality alone, where the method defines them.
        present: modality -> [n].
        labels: [n].
        ids: n sample ids.
        choice: [n, sets], weight of each prompt set chosen by a router; None for other methods.
        temperature: [n], that each sample's logits are divided by for its probabilities; None: they are not calibrated.
    """

    logits: NDArray[np.float64]
    per_modality: dict[str, NDArray[np.float64]]
    present: dict[str, NDArray[np.bool_]]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    choice: NDArray[np.float64] | None = None
    temperature: NDArray[np.float64] | None = None

    @property
    def calibrated(self) -> NDArray[np.float64]:
        """Return the logits over their temperatures, whose softmax are the probabilities, [n, classes]."""
        return self.logits if self.temperature is None else self.logits / self.temperature[:, None]


@torch.no_grad()
def predict(method: Method, data: BatchSource, batch_size: int, machine: Machine, precision: str) -> Outputs:
    """Predict every sample of a split.

    Args:
        method: put into eval mode.
        data: the split under one scenario.
        batch_size: number of samples in a batch.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
    """
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
        for modality, mask in batch.present.items():
            present.setdefault(modality, []).append(mask.cpu())
    return Outputs(
        logits=torch.cat(logits).numpy(),
        per_modality={m: torch.cat(scores).numpy() for m, scores in per_modality.items()},
        present={m: torch.cat(masks).numpy() for m, masks in present.items()},
        labels=torch.cat(labels).numpy(),
        ids=tuple(ids),
        choice=torch.cat(choice).numpy() if choice else None,
    )


def unimodal_accuracy(outputs: Outputs) -> dict[str, float]:
    """Return the accuracy of each modality's own logits, over the samples that have the modality."""
    return {
        m: accuracy(scores.argmax(axis=1)[outputs.present[m]], outputs.labels[outputs.present[m]])
        for m, scores in outputs.per_modality.items()
        if outputs.present[m].any()
    }
