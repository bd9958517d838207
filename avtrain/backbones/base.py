"""What a backbone is: a batch in, tokens per modality out, with places where prompts can enter."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.backbones.attention import Prompts
from avtrain.data.batch import Batch
from avtrain.frontends.base import AnyFrontend

AUDIO_IMAGE = ("audio", "image")


@dataclass(frozen=True)
class Reading:
    """Which tokens of a frozen backbone a method reads."""

    most: int | None = None  # averaged in groups to at most so many a modality; None: all
    below: float | None = None  # behind this part of each encoder's layers, 0 to 1; None: behind its last norm


class Backbone(nn.Module):
    """Encoders, one a modality of the data set, of equal width.

    Rows of an absent modality are encoded like any other; methods leave them out by `batch.present`.
    """

    modalities: tuple[str, ...] = AUDIO_IMAGE
    rows_independent = True  # whether in training no row of a batch influences another: processes may share them out
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
    def frozen_tokens(self, batch: Batch, reading: Reading) -> dict[str, Tensor]:
        """Tokens per modality without a gradient, [B, N, D]: from the feature cache where the batch brings them."""
        return batch.tokens or self.encode_frozen(batch, reading)

    @torch.no_grad()
    def encode_frozen(self, batch: Batch, reading: Reading) -> dict[str, Tensor]:
        """What `frozen_tokens` gives where there is no cache."""
        return {m: self.encoder(m).read(batch.inputs[m], reading) for m in self.modalities}

    @property
    def pooled_widths(self) -> dict[str, int]:
        """Width of each vector that `pool` gives."""
        return {m: self.encoder(m).pooled_width for m in self.modalities}

    def pool(self, tokens: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tokens to vectors for a linear map, [B, F] each, by modality; or one vector of all, called `joint`.

        tokens: modality -> [B, N, D], all of them or reduced.  present: modality -> bool [B].
        """
        return {m: self.encoder(m).pool(x) for m, x in tokens.items()}

    @property
    def unimodal_widths(self) -> dict[str, int]:
        """Width of each vector that `pool_unimodal` gives."""
        return {m: self.encoder(m).pooled_width for m in self.modalities}

    def pool_unimodal(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """One vector a modality, [B, F] each, in which no other has a part."""
        return {m: self.encoder(m).pool(x) for m, x in tokens.items()}

    def require_transformers(self, who: str) -> None:
        """Raises UsageError where there are no transformer layers, which `who` changes or adds to."""

    def require_prompts_among_tokens(self, who: str) -> None:
        """Raises UsageError where `who` cannot put tokens of its own into the layers of every encoder."""
        self.require_transformers(who)
        if "video" in self.modalities:
            raise UsageError(
                f"{who} puts prompts into the layers of an encoder; for video each frame has a pass of its own and "
                "there is no place for them: use method prompt with depth=fusion, or data without video"
            )


class Encoder(nn.Module):
    """One modality: `embed`, where prompts may be put in front, then `transform`: the blocks and a last norm."""

    width: int  # of a token
    pooled_width: int

    def train(self, mode: bool = True) -> "Encoder":
        """As for any module, but a frozen encoder stays in eval mode: statistics it has learned do not move."""
        return super().train(mode and any(weight.requires_grad for weight in self.parameters()))

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

    def read(self, inputs: Tensor, reading: Reading) -> Tensor:
        """Inputs to the tokens of a reading, [B, N, D]."""
        if reading.below is None:
            tokens: Tensor = self(inputs)
        else:
            tokens = self.embed(inputs)
            for block in self.blocks()[: self.layers_below(reading.below)]:
                tokens = block(tokens)
        return tokens if reading.most is None else self.reduce(tokens, reading.most)

    def layers_below(self, part: float) -> int:
        """How many layers that part of them is."""
        return round(part * len(self.blocks()))

    def reduce(self, tokens: Tensor, most: int) -> Tensor:
        """Means of groups of neighbours, all of one size, so that `pool` gives the same.  [B, N, D] to [B, G, D].

        G: the largest divisor of N that is not above `most`.
        """
        groups = max(size for size in range(1, most + 1) if tokens.shape[1] % size == 0)
        samples, count, width = tokens.shape
        return tokens.reshape(samples, groups, count // groups, width).mean(dim=2)

    def pool(self, tokens: Tensor) -> Tensor:
        """One vector of `pooled_width` a sample, for a linear map: the mean of its tokens.  [B, N, D] to [B, F]."""
        return tokens.mean(dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs to tokens, [B, N, D]."""
        return self.transform(self.embed(inputs))
