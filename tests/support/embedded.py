"""Methods on embeddings, fitted on a toy training split as the training loop does it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import torch
from torch import Tensor

from avtrain.data.batch import Batch
from avtrain.methods.shared.embeddings import EmbeddingMethod
from tests.support.toys import toy_batch, toy_method, train

TWO, THREE = ("audio", "image"), ("audio", "image", "text")


def with_gaps(batch: Batch, seed: int = 5) -> Batch:
    """Take modalities from the samples, each pattern of presence as often as any other."""
    modalities = tuple(batch.present)
    patterns = torch.tensor([pattern for pattern in product((True, False), repeat=len(modalities)) if any(pattern)])
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(seed)) % len(patterns)
    return replace(batch, present={m: patterns[order, place] for place, m in enumerate(modalities)})


def embedding_method(
    name: str, modalities: Sequence[str] = THREE, batch: Batch | None = None, **options: object
) -> EmbeddingMethod:
    """Return a method in double precision, fitted to a batch as after its first epoch, in eval mode."""
    method = toy_method(name, modalities, **options)
    assert isinstance(method, EmbeddingMethod)
    if batch is not None:
        begin(method, batch)
        method.end_epoch([batch])
    return method.eval()


def begin(method: EmbeddingMethod, batch: Batch) -> None:
    """Do what training does before its first step."""
    method.initialise()
    method.eval()
    method.begin_training([batch])


@cache
def trained(name: str, modalities: tuple[str, ...] = THREE) -> EmbeddingMethod:
    """Return a method after an epoch on a toy training split with gaps, in eval mode; do not change it."""
    method, batch = embedding_method(name, modalities), with_gaps(toy_batch(48, modalities))
    begin(method, batch)
    train(method.train(), batch, torch.optim.AdamW(method.parameter_groups(1e-2)), 10)
    method.eval()
    method.end_epoch([batch])
    return method


def numbers(method: EmbeddingMethod, batch: Batch) -> dict[str, Tensor]:
    """Return the embeddings without gradient."""
    with torch.no_grad():
        return method.embeddings(batch)
