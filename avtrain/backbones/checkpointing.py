"""How the encoders' blocks are run: with less memory, or compiled.  The names of their weights stay what they are."""

from collections.abc import Iterator
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from avtrain.backbones.base import Backbone


def recompute_blocks(backbone: Backbone) -> None:
    """What is inside each block is not kept for the gradient but computed again: the same numbers, less memory.

    Chen et al.: Training deep nets with sublinear memory cost, arXiv 2016.
    """
    for block in _blocks(backbone, "checkpointing"):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def compile_blocks(backbone: Backbone) -> None:
    """torch.compile for each block, at its first call; blocks are alike, so one compilation serves all of them."""
    for block in _blocks(backbone, "compile"):
        block.compile()


def _blocks(backbone: Backbone, who: str) -> Iterator[nn.Module]:
    backbone.require_transformers(who)
    return (block for modality in backbone.modalities for block in backbone.encoder(modality).blocks())
