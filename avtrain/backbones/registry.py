"""Backbones by name."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avtrain.backbones.adapters import adapter_weights, load_adapters
from avtrain.backbones.base import AUDIO_IMAGE, Backbone
from avtrain.backbones.cav_mae import CavMae, CavMaeConfig
from avtrain.backbones.dual import Dual, DualConfig
from avtrain.backbones.resnet import ResNet, ResNetConfig
from avtrain.backbones.tiny import Tiny, TinyConfig
from avtrain.config import parse_options

BACKBONES: Mapping[str, tuple[Callable[..., Backbone], type[Frozen]]] = {
    "cav-mae": (CavMae, CavMaeConfig),
    "dual": (Dual, DualConfig),
    "resnet": (ResNet, ResNetConfig),
    "tiny": (Tiny, TinyConfig),
}


def backbone_config(name: str, options: Mapping[str, Any]) -> Frozen:
    """Check the options of a backbone.

    Args:
        name: of the backbone.
        options: values by name.

    Raises:
        UsageError: names every problem, and what is allowed.
    """
    if name not in BACKBONES:
        raise UsageError(f'no backbone "{name}"{nearest(name, BACKBONES)}; known: {", ".join(BACKBONES)}')
    return parse_options(BACKBONES[name][1], options, f"backbone {name}")


def build_backbone(
    name: str,
    options: Mapping[str, Any],
    weights: Mapping[str, Tensor] | None = None,
    modalities: tuple[str, ...] = AUDIO_IMAGE,
) -> Backbone:
    """Build a backbone with its weights.

    Args:
        name: of the backbone.
        options: values by name.
        weights: of a run's backbone, adapters included; None: pretrained or random weights, as the options say.
        modalities: of the data set, in its order.

    Raises:
        UsageError: an option is wrong, or the backbone does not support these modalities.
        UserError: the weights cannot be read or do not fit.
    """
    config = backbone_config(name, options)
    adapters = adapter_weights(weights or {})
    encoders = None if weights is None else {key: value for key, value in weights.items() if key not in adapters}
    backbone = BACKBONES[name][0](config, encoders, modalities)
    if adapters:
        load_adapters(backbone, adapters)
    return backbone


__all__ = ["BACKBONES", "Backbone", "backbone_config", "build_backbone"]
