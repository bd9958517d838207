"""A user's own model as evaluation sees one: raw batches go in, checked scores come out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from avbuild.api.arrays import described
from avbuild.errors import UsageError
from avbuild.progress import Advance
from avtrain.data.batch import Batch
from avtrain.data.batch_source import DEFAULT_LOADER, LoaderOptions
from avtrain.data.torch_dataset import Dataset
from avtrain.methods.base import Method, Prediction

Model = Callable[[dict[str, Any]], Any]  # from tensors and lists of texts; also an nn.Module


class OutsideMethod(Method):
    """A model that takes a dictionary of tensors, as a method.

    It is given, for each modality of the data set: the signals by the name of the modality, [B, ...], of text a list of
    B str; `audio_present`
    and the like, bool [B]; and `audio_length`, int64 [B].  Labels, ids and scenarios are kept from it.
    """

    name = "outside model"

    def __init__(self, model: Model, classes: int) -> None:
        """Wrap a model.

        Args:
            model: module or function.
            classes: number of classes of the data set.
        """
        nn.Module.__init__(self)  # there is no backbone
        self.model, self.classes = model, classes

    def forward(self, batch: Batch) -> Prediction:
        """Return the scores of a batch.  Raises UsageError where they are not [B, classes] or not finite."""
        given: dict[str, Tensor | list[str]] = {**batch.inputs, **batch.texts}
        given |= {f"{modality}_present": mask for modality, mask in batch.present.items()}
        given |= {f"{modality}_length": lengths for modality, lengths in batch.lengths.items()}
        return Prediction(checked_scores(self.model(given), len(batch), self.classes))


def checked_scores(output: Any, samples: int, classes: int) -> Tensor:
    """Return what a model returned as a tensor [samples, classes].

    Args:
        output: tensor or array, or an object with one as its attribute `logits`.
        samples: B.
        classes: of the data set.

    Raises UsageError where it has another shape or type, or is not finite; -inf is allowed beside finite scores.
    """
    scores = getattr(output, "logits", output)
    scores = torch.from_numpy(scores) if isinstance(scores, np.ndarray) else scores
    wanted = f"logits or probabilities, [{samples}, {classes}]: a row for each sample, a column for each class"
    if not isinstance(scores, Tensor):
        raise UsageError(f"the model returned {described(scores)}; expected {wanted}")
    if tuple(scores.shape) != (samples, classes):
        raise UsageError(f"the model returned the shape {list(scores.shape)}; expected {wanted}")
    if not scores.is_floating_point():
        raise UsageError(f"the model returned {str(scores.dtype).removeprefix('torch.')} values; expected {wanted}")
    bad = scores.isnan().any(dim=1) | ~scores.amax(dim=1).isfinite()
    if bad.any():
        raise UsageError(f"the model returned NaN or infinite scores for {int(bad.sum())} of {samples} samples")
    return scores


def are_probabilities(scores: np.ndarray[Any, Any]) -> bool:
    """Return whether all rows are probabilities.  scores: [n, classes]."""
    return bool((scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3))


@dataclass(frozen=True)
class RawBatches:
    """A `BatchSource` of decoded signals, without a front end.

    Attributes:
        data: the split under one scenario.
        advance: called with the number of samples of each batch that was loaded.
    """

    data: Dataset
    advance: Advance

    def __len__(self) -> int:
        return len(self.data)

    def at(self, epoch: int) -> "RawBatches":
        """Return the same data in another epoch."""
        other = self.data.under(self.data.scenario)
        other.set_epoch(epoch)
        return replace(self, data=other)

    def under(self, scenario: str) -> "RawBatches":
        """Return the same data with every sample under one scenario."""
        return replace(self, data=self.data.under(scenario))

    def batches(
        self, batch_size: int, shuffle_seed: int | None = None, loader: LoaderOptions = DEFAULT_LOADER
    ) -> Iterator[Batch]:
        """Yield all samples once, in the order of the data; an order by `shuffle_seed` is not needed here."""
        if shuffle_seed is not None:
            raise NotImplementedError("outside models are evaluated, not trained")
        scenario = list(self.data.manifest.scenarios).index(self.data.scenario)
        loading = DataLoader(
            self.data,
            batch_size,
            num_workers=loader.workers,
            collate_fn=self.data.collate,
            generator=torch.Generator(),  # else it would draw from torch's default generator, which the model may use
        )
        for items in loading:
            n, modalities = len(items["id"]), self.data.modalities
            yield Batch(
                inputs={m: items[m] for m in modalities if isinstance(items[m], Tensor)},
                present={m: items[f"{m}_present"] for m in modalities},
                labels=items["label"],
                scenario=torch.full((n,), scenario),
                ids=tuple(items["id"]),
                lengths={m: items[f"{m}_length"] for m in modalities if f"{m}_length" in items},
                texts={m: items[m] for m in modalities if isinstance(items[m], list)},
            )
            self.advance(n)
