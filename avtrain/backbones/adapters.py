"""Bottleneck adapters after the sublayers of a backbone; they are part of its weights.

Houlsby et al.: Parameter-efficient transfer learning for NLP, ICML 2019.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.backbones.weights import check_keys

KEY_PART = ".adapters."  # in the names of all adapter weights
SHARED = "shared_blocks"  # the module of the backbone that holds the adapters of blocks that serve all modalities


class Bottleneck(nn.Module):
    """x + up(GELU(down(x))), [B, N, D] to [B, N, D].  `up` starts at zero, so training starts from the backbone."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        adapted: Tensor = tokens + self.up(nn.functional.gelu(self.down(tokens)))
        return adapted


def add_adapters(backbone: Backbone, bottleneck: int) -> list[nn.Module]:
    """Add an adapter after attention and MLP of every block, before the residual.

    They are `adapters` of each encoder, and of `shared_blocks` for blocks that serve all modalities.  Adapters that the
    backbone has already are kept.  They act as forward hooks of the sublayers, so that encoders need no code for them.

    Args:
        backbone: changed in place.
        bottleneck: width of the bottleneck.

    Returns:
        The list of adapters of each encoder, then that of the shared blocks, where there are any.

    Raises:
        UsageError: the backbone has adapters of another width.
    """
    existing = adapter_weights(backbone.state_dict())
    if existing and (width := _width(existing)) != bottleneck:
        raise UsageError(f"the backbone has adapters of width {width}; set method.bottleneck={width}, not {bottleneck}")
    encoders = [backbone.encoder(modality) for modality in backbone.modalities]
    shared = backbone.shared_sublayers()
    if not existing:
        for encoder in encoders:
            _add(encoder, encoder.sublayers(), backbone.width, bottleneck)
        if shared:
            backbone.add_module(SHARED, nn.Module())
            _add(backbone.get_submodule(SHARED), shared, backbone.width, bottleneck)
    holders = [*encoders, backbone.get_submodule(SHARED)] if shared else encoders
    return [holder.get_submodule("adapters") for holder in holders]


def _add(holder: nn.Module, sublayers: Sequence[nn.Module], width: int, bottleneck: int) -> None:
    adapters = [Bottleneck(width, bottleneck) for _ in sublayers]
    for sublayer, adapter in zip(sublayers, adapters, strict=True):
        sublayer.register_forward_hook(_hook(adapter))
    holder.add_module("adapters", nn.ModuleList(adapters))


def adapter_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of a backbone's weights that belong to adapters."""
    return {key: value for key, value in weights.items() if KEY_PART in key}


def with_shared_adapters(weights: Mapping[str, Tensor], newest: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the adapters of shared blocks to weights of a version that had none there, so that they change nothing.

    Args:
        weights: of a run.
        newest: state of the module that they are loaded into.
    """
    shared = {key: value for key, value in newest.items() if f"{SHARED}{KEY_PART}" in key}
    if weights.keys() & shared.keys():
        return dict(weights)
    # any down, then an up of zeros: the identity
    return {**weights, **{key: torch.zeros_like(value) if ".up." in key else value for key, value in shared.items()}}


def load_adapters(backbone: Backbone, weights: Mapping[str, Tensor]) -> None:
    """Add the adapters of a run to a backbone, with their weights.

    Args:
        backbone: without adapters; changed in place.
        weights: by `adapter_weights`.

    Raises:
        UserError: the weights do not fit the backbone.
    """
    add_adapters(backbone, _width(weights))
    weights = with_shared_adapters(weights, backbone.state_dict())
    check_keys(adapter_weights(backbone.state_dict()), weights, "this run's adapters")
    backbone.load_state_dict(weights, strict=False)


def _width(weights: Mapping[str, Tensor]) -> int:
    return next(value.shape[0] for key, value in weights.items() if key.endswith("down.weight"))


def _hook(adapter: Bottleneck):  # type: ignore[no-untyped-def]  # torch has no name for the type of a hook
    def hook(sublayer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        adapted: Tensor = adapter(output)
        return adapted

    return hook
