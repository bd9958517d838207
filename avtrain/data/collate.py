"""Batches of raw samples, for a user's own model: tensors and texts by name, zeros where a modality is missing."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from avbuild.errors import UsageError

Item = dict[str, Any]
Blank = Callable[[str], Tensor | str]  # from a modality to zeros of the shape of a sample's signal, or an empty text


def collate_items(items: Sequence[Item], modalities: Sequence[str], blank: Blank) -> Item:
    """Join items to a batch, as `avtrain.Dataset.collate` describes it.

    Args:
        items: B of them.
        modalities: of the data set.
        blank: stands for a missing signal.

    Raises:
        UsageError: signals of one modality differ in shape.
    """
    batch: Item = {}
    for key in dict.fromkeys(key for item in items for key in item):
        values = [item.get(key) for item in items]
        if key in modalities:
            batch |= _collate_signals(key, values, blank)
            batch[f"{key}_present"] = torch.tensor([value is not None for value in values])
        elif all(isinstance(value, (bool, int, float)) for value in values):
            batch[key] = torch.tensor(values)
        else:
            tensors = [value for value in values if isinstance(value, Tensor)]
            batch[key] = torch.stack(tensors) if len(tensors) == len(values) else values
    return batch


def _collate_signals(modality: str, values: Sequence[Any], blank: Blank) -> Item:
    """Return the signals of one modality as a tensor, and their lengths where they have one dimension; texts as a list.

    A text that is missing is an empty one.
    """
    first = next((value for value in values if value is not None), None)
    if isinstance(blank(modality) if first is None else first, str):
        return {modality: ["" if value is None else value for value in values]}
    given = [torch.as_tensor(value) for value in values if value is not None]
    if len(given) == len(values):
        signals = given
    else:
        signals = [torch.as_tensor(blank(modality) if value is None else value) for value in values]
    if all(signal.ndim == 1 for signal in signals):
        lengths = [0 if value is None else len(signal) for value, signal in zip(values, signals, strict=True)]
        batch = torch.zeros(len(signals), max(map(len, given or signals)), dtype=signals[0].dtype)
        for row, signal, length in zip(batch, signals, lengths, strict=True):
            row[:length] = signal[:length]
        return {modality: batch, f"{modality}_length": torch.tensor(lengths)}
    if len(shapes := dict.fromkeys(tuple(signal.shape) for signal in signals)) > 1:
        raise UsageError(
            f"{modality}: shapes {' and '.join(str(list(shape)) for shape in list(shapes)[:3])} in one batch; bring "
            f'them to one with transform={{"{modality}": ...}}, or use a batch size of 1'
        )
    return {modality: torch.stack(signals)}
