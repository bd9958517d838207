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
    """The options of a backbone.  Raises UsageError that lists what is allowed."""
    if name not in BACKBONES:
        raise UsageError(f'no backbone "{name}"{nearest(name, BACKBONES)}; known: {", ".join(BACKBONES)}')
    return parse_options(BACKBONES[name][1], options, f"backbone {name}")


def build_backbone(
    name: str,
    options: Mapping[str, Any],
    weights: Mapping[str, Tensor] | None = None,
    modalities: tuple[str, ...] = AUDIO_IMAGE,
) -> Backbone:
    """A backbone with its pretrained weights, or with `weights`, those of a run.  Raises UserError.

    modalities: of the data set, in its order.
    """
    config = backbone_config(name, options)
    adapters = adapter_weights(weights or {})
    own = None if weights is None else {key: value for key, value in weights.items() if key not in adapters}
    backbone = BACKBONES[name][0](config, own, modalities)
    if adapters:
        load_adapters(backbone, adapters)
    return backbone


__all__ = ["BACKBONES", "Backbone", "backbone_config", "build_backbone"]
