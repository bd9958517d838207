"""Hooks on the layers of encoders: prompts before the tokens, moments of what comes out, tokens that are masked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from avbuild.scenarios.seeding import rng_for

Moments = tuple[Tensor, Tensor]  # mean and standard deviation, [D] each


class PromptedLayers:
    """The transformer layers of all encoders, each with prompts of its own before the tokens.

    The hooks act inside `active` alone; prompts are taken off again behind each layer, so encoders need no code.

    Attributes:
        weights: the prompts, [length, D] each, in the order of modalities and layers.
    """

    def __init__(
        self, layers: Mapping[str, Sequence[nn.Module]], length: int, width: int, like: Tensor, seed: int
    ) -> None:
        """Draw the prompts.

        Args:
            layers: modality -> its encoder's layers, in order.
            length: number of prompts of a layer.
            width: D, of a token.
            like: its device and type are those of the prompts.
            seed: decides their initial values, of deviation 0.02.
        """
        self.layers = {modality: list(found) for modality, found in layers.items()}
        self.length = length
        self.prompts: dict[str, list[nn.Parameter]] = {}
        for modality, found in self.layers.items():
            rng = rng_for(seed=seed, scenario="", sample="adaptation prompts", modality=modality, op=0)
            drawn = 0.02 * rng.standard_normal((len(found), length, width))
            self.prompts[modality] = [nn.Parameter(torch.from_numpy(x).to(like)) for x in drawn]

    @property
    def weights(self) -> list[nn.Parameter]:
        return [prompt for prompts in self.prompts.values() for prompt in prompts]

    @contextmanager
    def active(
        self, present: Mapping[str, Tensor], *, prompted: bool = True, kept: Mapping[str, Tensor] | None = None
    ) -> Iterator[dict[str, list[Moments]]]:
        """Change the layers' inputs, and record the moments of their outputs.

        Args:
            present: modality -> bool [B]; absent rows do not count in the moments.
            prompted: whether prompts are put before the tokens.
            kept: modality -> [B, N], False where the first layer's tokens are set to zero; None: none are.

        Yields:
            modality -> mean and deviation of each layer's tokens, filled by the forward pass.
        """
        moments: dict[str, list[Moments]] = {modality: [] for modality in self.layers}
        handles: list[RemovableHandle] = []
        try:
            for modality, layers in self.layers.items():
                for place, layer in enumerate(layers):
                    mask = kept[modality] if kept is not None and place == 0 else None
                    prompt = self.prompts[modality][place] if prompted else None
                    handles.append(layer.register_forward_pre_hook(_before(prompt, mask)))
                    handles.append(layer.register_forward_hook(_behind(prompt, present[modality], moments[modality])))
            yield moments
        finally:
            for handle in handles:
                handle.remove()


def _before(prompt: Tensor | None, kept: Tensor | None) -> Any:
    def hook(layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        tokens, *others = arguments
        if kept is not None:
            tokens = tokens * kept[:, : tokens.shape[1], None].to(tokens)
        if prompt is not None:
            tokens = torch.cat([prompt.to(tokens.dtype).expand(len(tokens), -1, -1), tokens], dim=1)
        return (tokens, *others)

    return hook


def _behind(prompt: Tensor | None, present: Tensor, moments: list[Moments]) -> Any:
    def hook(layer: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        tokens = output if prompt is None else output[:, len(prompt) :]
        if present.any():
            moments.append(moments_of(tokens[present]))
        return tokens

    return hook


def moments_of(tokens: Tensor) -> Moments:
    """Return mean and standard deviation of each feature over all tokens.  [B, N, D] to [D] and [D]."""
    flat = tokens.flatten(0, 1)
    return flat.mean(dim=0), flat.var(dim=0, correction=0).clamp(min=1e-12).sqrt()
