"""Following a stream with an adapter: predictions batch by batch, in order, with the time that they take."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avbuild.progress import Advance
from avtrain.data.batch import Batch
from avtrain.device import Machine
from avtrain.evaluation.adaptation.base import TestTimeAdapter
from avtrain.evaluation.adaptation.streams import Item, Stream
from avtrain.evaluation.predict import Outputs
from avtrain.methods.base import Prediction


@dataclass
class Followed:
    """The predictions for a stream, in its order.

    Attributes:
        items: condition and row of each sample.
        predictions: of each batch, on the CPU.
        batches: without inputs.
        seconds: time that the adapter took, without loading.
    """

    items: Sequence[Item]
    predictions: list[Prediction]
    batches: list[Batch]
    seconds: float = 0.0

    def outputs(self) -> dict[int, Outputs]:
        """Return the predictions for each condition of the stream, in the order of its rows."""
        by_condition: dict[int, list[int]] = {}
        for place in sorted(range(len(self.items)), key=lambda place: self.items[place]):
            by_condition.setdefault(self.items[place][0], []).append(place)
        return {condition: self._outputs(np.asarray(places)) for condition, places in by_condition.items()}

    def _outputs(self, places: NDArray[np.int64]) -> Outputs:
        first, ids = self.predictions[0], [name for batch in self.batches for name in batch.ids]

        def pick(parts: Sequence[torch.Tensor]) -> Any:
            return torch.cat(list(parts)).numpy()[places]

        choices = [p.choice for p in self.predictions if p.choice is not None]
        return Outputs(
            logits=pick([p.logits for p in self.predictions]),
            per_modality={m: pick([p.per_modality[m] for p in self.predictions]) for m in first.per_modality},
            present={m: pick([batch.present[m] for batch in self.batches]) for m in self.batches[0].present},
            labels=pick([batch.labels for batch in self.batches]),
            ids=tuple(ids[place] for place in places),
            choice=pick(choices) if choices else None,
        )


def follow(
    adapter: TestTimeAdapter,
    stream: Stream,
    batches: Iterable[Batch],
    machine: Machine,
    precision: str,
    advance: Advance,
) -> Followed:
    """Predict a stream batch by batch, adapting.

    Args:
        adapter: starts anew where the stream says so.
        stream: order of the samples.
        batches: of these samples, in this order.
        machine: where it is computed.
        precision: `fp32` or `bf16`.
        advance: called with the number of samples of each batch.
    """
    if stream.new:
        adapter.reset(stream.name)
    found = Followed(stream.items, [], [])
    for loaded in batches:
        batch = loaded.to(machine.device)
        started = time.perf_counter()
        with machine.autocast(precision):
            prediction = adapter(replace(batch, labels=torch.full_like(batch.labels, -1)))  # no adapter sees them
        found.predictions.append(_on_cpu(prediction))  # waits until a GPU is done
        found.seconds += time.perf_counter() - started
        found.batches.append(replace(loaded, inputs={}, tokens={}))
        advance(len(batch))
    return found


def _on_cpu(prediction: Prediction) -> Prediction:
    return Prediction(
        prediction.logits.double().cpu(),
        {m: scores.double().cpu() for m, scores in prediction.per_modality.items()},
        None if prediction.choice is None else prediction.choice.double().cpu(),
    )
