"""Backbones by name.  To add one: a file with a `Backbone` and a line here, or a plug-in."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avbuild.plugins.registry import defined, refuse_shipped
from avtrain.backbones.adapters import adapter_weights, load_adapters
from avtrain.backbones.base import AUDIO_IMAGE, Backbone
from avtrain.backbones.cav_mae import CavMae
from avtrain.backbones.dual import Dual
from avtrain.backbones.resnet import ResNet
from avtrain.backbones.tiny import Tiny
from avtrain.config import parse_options

BACKBONES: Mapping[str, tuple[Callable[..., Backbone], type[Frozen]]] = {
    backbone.name: (backbone, backbone.Config) for backbone in (CavMae, Dual, ResNet, Tiny)
}


def all_backbones() -> Mapping[str, tuple[Callable[..., Backbone], type[Frozen]]]:
    """Return the backbones of avtrain and of all plug-ins, each with the class of its options, by name.

    Raises:
        UserError: a plug-in cannot be loaded, or takes the name of a backbone of avtrain.
    """
    plugged = defined(Backbone.plugin_group)
    refuse_shipped(plugged.values(), BACKBONES)
    return {**BACKBONES, **{name: (d.item, d.item.Config) for name, d in plugged.items()}}


def backbone_config(name: str, options: Mapping[str, Any]) -> Frozen:
    """Check the options of a backbone.

    Args:
        name: of the backbone.
        options: values by name.

    Raises:
        UsageError: names every problem, and what is allowed.
    """
    known = all_backbones()
    if name not in known:
        raise UsageError(
            f'no backbone "{name}"{nearest(name, known)}; known: {", ".join(known)}. '
            "For that of a plug-in give --plugin FILE.py, or install its package"
        )
    return parse_options(known[name][1], options, f"backbone {name}")


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
    backbone = all_backbones()[name][0](config, encoders, modalities)
    if adapters:
        load_adapters(backbone, adapters)
    return backbone


__all__ = ["BACKBONES", "Backbone", "all_backbones", "backbone_config", "build_backbone"]
