"""The interface of a backbone: from a batch to the tokens of each modality, with places where prompts can enter."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.attention import Prompts
from avtrain.data.batch import Batch
from avtrain.frontends.base import AnyFrontend

AUDIO_IMAGE = ("audio", "image")


@dataclass(frozen=True)
class Reading:
    """The tokens of a frozen backbone that a method reads; its repr is part of the keys of the feature cache.

    Attributes:
        most: tokens of a modality are averaged in groups to at most so many; None: all tokens.
        below: fraction of each encoder's layers behind which the tokens are read, 0 to 1; None: after the last norm.
    """

    most: int | None = None
    below: float | None = None


class Backbone(nn.Module):
    """One encoder for each modality of the data set, all of equal token width.

    The rows of absent modalities are encoded like any other; methods leave them out by `batch.present`.
    """

    plugin_group: ClassVar[str] = "avtrain.backbones"

    name: ClassVar[str]
    Config: ClassVar[type[Frozen]]  # options; a backbone is built from (options, weights or None, modalities)
    modalities: tuple[str, ...] = AUDIO_IMAGE
    rows_independent = True  # whether no row of a batch influences another in training, so that ranks may share them
    width: int  # of a token
    pretrained_head: Mapping[str, Tensor] = {}  # weights for a `PooledHead`, where a checkpoint holds them
    frontend: AnyFrontend

    def encoder(self, modality: str) -> "Encoder":
        """Return the encoder of a modality."""
        encoder = getattr(self, f"{modality}_encoder")
        assert isinstance(encoder, Encoder)
        return encoder

    def blendable(self, batch: Batch) -> Batch:
        """Return the batch with inputs that mixup can average; see `Encoder.blendable`."""
        return replace(batch, inputs={m: self.encoder(m).blendable(x) for m, x in batch.inputs.items()})

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Return the tokens of each modality, [B, N, D]."""
        return {m: self.encoder(m)(batch.inputs[m]) for m in self.modalities}

    @torch.no_grad()
    def frozen_tokens(self, batch: Batch, reading: Reading) -> dict[str, Tensor]:
        """Return the tokens of each modality without gradient, from the batch where it holds cached ones.

        Args:
            batch: with inputs, or with cached tokens of the same reading.
            reading: which tokens.

        Returns:
            modality -> [B, N, D].
        """
        return batch.tokens or self.encode_frozen(batch, reading)

    @torch.no_grad()
    def encode_frozen(self, batch: Batch, reading: Reading) -> dict[str, Tensor]:
        """Compute the tokens of each modality without gradient.

        Args:
            batch: with inputs.
            reading: which tokens.

        Returns:
            modality -> [B, N, D].
        """
        return {m: self.encoder(m).read(batch.inputs[m], reading) for m in self.modalities}

    @property
    def pooled_widths(self) -> dict[str, int]:
        """Width F of each vector that `pool` returns."""
        return {m: self.encoder(m).pooled_width for m in self.modalities}

    def pool(self, tokens: dict[str, Tensor], present: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pool tokens to vectors for a linear classifier.

        Args:
            tokens: modality -> [B, N, D], all of them or reduced by `Encoder.reduce`.
            present: modality -> bool [B].

        Returns:
            modality -> [B, F]; or `joint` -> [B, F], one vector of all modalities.
        """
        return {m: self.encoder(m).pool(x) for m, x in tokens.items()}

    @property
    def unimodal_widths(self) -> dict[str, int]:
        """Width F of each vector that `pool_unimodal` returns."""
        return {m: self.encoder(m).pooled_width for m in self.modalities}

    def pool_unimodal(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pool tokens to one vector for each modality, on which no other modality has an influence.

        Args:
            tokens: modality -> [B, N, D].

        Returns:
            modality -> [B, F].
        """
        return {m: self.encoder(m).pool(x) for m, x in tokens.items()}

    @property
    def pooled_reading(self) -> Reading:
        """The fewest tokens of which `pool` makes what it makes of all: one a modality, where nothing follows encoders.

        Blocks that follow the encoders attend to the tokens before anything is pooled, so they get 20.
        """
        return Reading(most=20 if self.shared_sublayers() else 1)

    def shared_sublayers(self) -> list[nn.Module]:
        """Return attention and MLP of every block that serves all modalities, after the encoders; most have none."""
        return []

    def shared_projections(self) -> list[nn.Module]:
        """Return the linear maps of the attention of these blocks, as `Encoder.attention_projections` does."""
        return []

    def require_transformers(self, user: str) -> None:
        """Refuse a backbone without transformer layers.

        Args:
            user: what changes the layers or adds to them, for the error.

        Raises:
            UsageError: this backbone has none.
        """

    def require_prompts_among_tokens(self, user: str) -> None:
        """Refuse a backbone whose layers cannot take further tokens.

        Args:
            user: what adds the tokens, for the error.

        Raises:
            UsageError: it has no transformer layers, or reads video, frame by frame.
        """
        self.require_transformers(user)
        if "video" in self.modalities:
            raise UsageError(
                f"{user} puts prompts into the layers of an encoder; for video each frame has a pass of its own and "
                "there is no place for them: use method prompt with depth=fusion, or data without video"
            )


class Encoder(nn.Module):
    """The encoder of one modality: `embed`, then `transform`, which is the blocks and a last norm.

    Where the inputs of samples have unequal lengths, as those of text have, their tokens end in vectors of zeros.
    """

    width: int  # D, of a token
    pooled_width: int  # F, of the vector that `pool` returns

    def train(self, mode: bool = True) -> "Encoder":
        """Set the mode as for any module, except that a frozen encoder stays in eval mode: batch norms do not move."""
        return super().train(mode and any(weight.requires_grad for weight in self.parameters()))

    def blendable(self, inputs: Tensor) -> Tensor:
        """Return inputs that can be averaged, and that `embed` takes in place of the given ones; most are so already.

        Args:
            inputs: of the front end, [B, ...].
        """
        return inputs

    def embed(self, inputs: Tensor) -> Tensor:
        """Return patches, frames or words with their positions, [B, N, D]."""
        raise NotImplementedError

    def blocks(self) -> list[nn.Module]:
        """Return the transformer layers in order, each from [B, N, D] to [B, N, D].

        A layer takes prompts for the keys and values of its attention as a second argument: `block(tokens, prompts)`.
        """
        raise NotImplementedError

    def sublayers(self) -> list[nn.Module]:
        """Return attention and MLP of every block, as modules whose outputs are added to the tokens."""
        raise NotImplementedError

    def attention_projections(self) -> list[nn.Module]:
        """Return the linear maps of every block's attention: to queries, keys and values, and the output map."""
        raise NotImplementedError

    def last_norm(self, tokens: Tensor) -> Tensor:
        """Apply what follows the last block, [B, N, D] to [B, N, D]."""
        raise NotImplementedError

    def transform(self, tokens: Tensor, prompts: Sequence[Prompts] = ()) -> Tensor:
        """Apply the blocks and the last norm.

        Args:
            tokens: [B, N, D]; N is free, so prompts may be among them.
            prompts: keys and values, [B, P, D] each, for the attention of the first layers, one pair a layer.

        Returns:
            [B, N, D].
        """
        for block, extra in itertools.zip_longest(self.blocks(), prompts):
            tokens = block(tokens) if extra is None else block(tokens, extra)
        return self.last_norm(tokens)

    def read(self, inputs: Tensor, reading: Reading) -> Tensor:
        """Compute the tokens that a reading names.

        Args:
            inputs: of the front end, [B, ...].
            reading: which tokens.

        Returns:
            [B, N, D].
        """
        if reading.below is None:
            tokens: Tensor = self(inputs)
        else:
            tokens = self.embed(inputs)
            for block in self.blocks()[: self.layers_below(reading.below)]:
                tokens = block(tokens)
        return tokens if reading.most is None else self.reduce(tokens, reading.most)

    def layers_below(self, fraction: float) -> int:
        """Return the number of layers that a fraction of all layers is, rounded.  fraction: 0 to 1."""
        return round(fraction * len(self.blocks()))

    def reduce(self, tokens: Tensor, most: int) -> Tensor:
        """Average neighbouring tokens in groups of equal size, so that `pool` gives the same.

        Args:
            tokens: [B, N, D].
            most: upper limit of the number of groups.

        Returns:
            [B, G, D], where G is the largest divisor of N up to `most`.
        """
        groups = max(size for size in range(1, most + 1) if tokens.shape[1] % size == 0)
        samples, count, width = tokens.shape
        return tokens.reshape(samples, groups, count // groups, width).mean(dim=2)

    def pool(self, tokens: Tensor) -> Tensor:
        """Pool tokens to the input of a linear classifier, their mean.  [B, N, D] to [B, F]."""
        return tokens.mean(dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode inputs to tokens, [B, N, D]."""
        return self.transform(self.embed(inputs))
