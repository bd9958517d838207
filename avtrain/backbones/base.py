"""What a backbone is: a batch in, tokens per modality out, with places where prompts can enter."""

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from avtrain.backbones.attention import Prompts
from avtrain.batch import Batch
from avtrain.frontends import AnyFrontend


class Backbone(nn.Module):
    """Encoders, one a modality, of equal width.

    Rows of an absent modality are encoded like any other; methods leave them out by `batch.present`.
    """

    modalities: tuple[str, ...] = ("audio", "image")
    width: int
    pretrained_head: Mapping[str, Tensor] = {}  # by PooledHead's names, where a checkpoint brings one
    frontend: AnyFrontend

    def encoder(self, modality: str) -> "Encoder":
        """The encoder of a modality."""
        encoder = getattr(self, f"{modality}_encoder")
        assert isinstance(encoder, Encoder)
        return encoder

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens per modality, [B, N, D]."""
        return {m: self.encoder(m)(batch.inputs[m]) for m in self.modalities}

    @torch.no_grad()
    def frozen_tokens(self, batch: Batch, most: int) -> dict[str, Tensor]:
        """Tokens per modality without a gradient, averaged in groups to at most `most`: [B, <= 1 + most, D].

        Those that the batch brings from the feature cache, where it does.
        """
        return batch.tokens or self.encode_frozen(batch, most)

    @torch.no_grad()
    def encode_frozen(self, batch: Batch, most: int) -> dict[str, Tensor]:
        """What `frozen_tokens` gives where there is no cache."""
        return {m: self.encoder(m).reduce(x, most) for m, x in self.encode(batch).items()}

    @property
    def pooled_widths(self) -> dict[str, int]:
        """Width of each vector that `pool` gives."""
        return {m: self.encoder(m).pooled_width for m in self.modalities}

    def pool(self, tokens: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tokens to vectors for a linear map, [B, F] each, by modality; or one vector of all, called `joint`.

        tokens: modality -> [B, N, D], all of them or reduced.  present: modality -> bool [B].
        """
        return {m: self.encoder(m).pool(x) for m, x in tokens.items()}


class Encoder(nn.Module):
    """One modality: `embed`, where prompts may be put in front, then `transform`: the blocks and a last norm."""

    pooled_width: int

    def embed(self, inputs: Tensor) -> Tensor:
        """Patches or frames with their positions, [B, N, D]."""
        raise NotImplementedError

    def blocks(self) -> list[nn.Module]:
        """The transformer's layers in their order, each [B, N, D] to [B, N, D].

        A layer may be given prompts for the keys and values of its attention: `block(tokens, prompts)`.
        """
        raise NotImplementedError

    def sublayers(self) -> list[nn.Module]:
        """Attention and MLP of every block, as modules whose outputs are added to the tokens."""
        raise NotImplementedError

    def attention_projections(self) -> list[nn.Module]:
        """The linear maps to queries, keys and values and from what is attended to, of every block."""
        raise NotImplementedError

    def last_norm(self, tokens: Tensor) -> Tensor:
        """What follows the last block, [B, N, D] to [B, N, D]."""
        raise NotImplementedError

    def transform(self, tokens: Tensor, prompts: Sequence[Prompts] = ()) -> Tensor:
        """The transformer and its last norm, [B, N, D] to [B, N, D]; N is free, so prompts may be among them.

        prompts: for the keys and values of the first layers' attention, a pair of [B, P, D] each.
        """
        for block, extra in itertools.zip_longest(self.blocks(), prompts):
            tokens = block(tokens) if extra is None else block(tokens, extra)
        return self.last_norm(tokens)

    def reduce(self, tokens: Tensor, most: int) -> Tensor:
        """Means of groups of neighbours, all of one size, so that `pool` gives the same.  [B, N, D] to [B, G, D].

        G: the largest divisor of N that is not above `most`.
        """
        groups = max(size for size in range(1, most + 1) if tokens.shape[1] % size == 0)
        return tokens.reshape(tokens.shape[0], groups, -1, tokens.shape[-1]).mean(dim=2)

    def pool(self, tokens: Tensor) -> Tensor:
        """One vector of `pooled_width` a sample, for a linear map: the mean of its tokens.  [B, N, D] to [B, F]."""
        return tokens.mean(dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs to tokens, [B, N, D]."""
        return self.transform(self.embed(inputs))
