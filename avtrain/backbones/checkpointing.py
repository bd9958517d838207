"""Gradient checkpointing and compilation of encoder blocks; neither changes the names of their weights."""

from collections.abc import Iterator
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from avtrain.backbones.base import Backbone


def recompute_blocks(backbone: Backbone) -> None:
    """Compute the activations inside each block again in the backward pass: the same numbers with less memory.

    Chen et al.: Training deep nets with sublinear memory cost, arXiv 2016.

    Args:
        backbone: changed in place.

    Raises:
        UsageError: it has no transformer layers.
    """
    for block in _blocks(backbone, "checkpointing"):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def compile_blocks(backbone: Backbone) -> None:
    """Compile each block with torch.compile at its first call; blocks are alike, so one compilation serves all.

    Args:
        backbone: changed in place.

    Raises:
        UsageError: it has no transformer layers.
    """
    for block in _blocks(backbone, "compile"):
        block.compile()


def _blocks(backbone: Backbone, user: str) -> Iterator[nn.Module]:
    backbone.require_transformers(user)
    return (block for modality in backbone.modalities for block in backbone.encoder(modality).blocks())
