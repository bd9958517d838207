"""Methods by name.  To add one: a file with a `Method` and a line here, or a plug-in."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from avbuild.errors import UsageError, nearest
from avbuild.frozen import Frozen
from avbuild.plugins.registry import defined, refuse_shipped
from avtrain.backbones.base import Backbone
from avtrain.config import parse_options
from avtrain.methods.adapter import Adapter
from avtrain.methods.ae import AE
from avtrain.methods.base import Method, Prediction
from avtrain.methods.cca import CCA
from avtrain.methods.concat import Concat
from avtrain.methods.cpm_net.cpm_net import CPMNet
from avtrain.methods.cra import CRA
from avtrain.methods.dcca import DCCA
from avtrain.methods.dccae import DCCAE
from avtrain.methods.film import FiLM
from avtrain.methods.finetune import Finetune
from avtrain.methods.gated import Gated
from avtrain.methods.if_mmin import IFMMIN
from avtrain.methods.late_fusion import LateFusion
from avtrain.methods.lfm import LFM
from avtrain.methods.linear_probe import LinearProbe
from avtrain.methods.lora import LoRA
from avtrain.methods.mla.mla import MLA
from avtrain.methods.mmin import MMIN
from avtrain.methods.mmpareto import MMPareto
from avtrain.methods.modality_dropout import ModalityDropout
from avtrain.methods.ogm_ge import OGMGE
from avtrain.methods.prompt.missing_aware import MissingAwarePrompt
from avtrain.methods.prompt.prompt import Prompt
from avtrain.methods.qmf import QMF
from avtrain.methods.recon_boost import ReconBoost
from avtrain.methods.simmlm import SimMLM
from avtrain.methods.spiking.spiking import Spiking
from avtrain.methods.sum_of_scores import Sum
from avtrain.methods.tate.tate import TATE

METHODS: Mapping[str, type[Method]] = {
    method.name: method
    for method in (
        *(Finetune, LinearProbe, Adapter, LoRA, Prompt, MissingAwarePrompt, Spiking),
        *(Sum, Concat, FiLM, Gated, LateFusion, OGMGE, QMF, MLA),
        *(MMPareto, ReconBoost, LFM),
        *(ModalityDropout, CCA, DCCA, DCCAE, AE, CRA),
        *(MMIN, IFMMIN, CPMNet, TATE, SimMLM),
    )
}


def all_methods() -> Mapping[str, type[Method]]:
    """Return the methods of avtrain and of all plug-ins, by name.

    Raises:
        UserError: a plug-in cannot be loaded, or takes the name of a method of avtrain.
    """
    plugged = defined(Method.plugin_group)
    refuse_shipped(plugged.values(), METHODS)
    return {**METHODS, **{name: definition.item for name, definition in plugged.items()}}


def find_method(name: str) -> type[Method]:
    """Return the class of a method.

    Raises:
        UsageError: there is no such method; lists all.
    """
    known = all_methods()
    if name not in known:
        raise UsageError(
            f'no method "{name}"{nearest(name, known)}; known: {", ".join(known)} (avtrain methods). '
            "For that of a plug-in give --plugin FILE.py, or install its package"
        )
    return known[name]


def method_config(name: str, options: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Frozen:
    """Check the options of a method.

    Args:
        name: of the method.
        options: values by name.
        defaults: of options that are not given, as a run has recorded them; None: those of the method.

    Raises:
        UsageError: names every problem, and what is allowed.
    """
    return parse_options(find_method(name).Config, options, f"method {name}", defaults)


def build_method(
    name: str,
    options: Mapping[str, Any],
    backbone: Backbone,
    classes: int,
    scenarios: int,
    defaults: Mapping[str, Any] | None = None,
) -> Method:
    """Build a method on a backbone.

    Args:
        name: of the method.
        options: values by name.
        backbone: becomes part of the method.
        classes: number of classes.
        scenarios: number of scenarios of the manifest.
        defaults: as for `method_config`.

    Raises:
        UsageError: an option is wrong, or the method does not support this backbone or its modalities.
    """
    method, config = find_method(name), method_config(name, options, defaults)
    method.check_modalities(backbone.modalities, config)
    build: Callable[..., Method] = method
    return build(backbone, classes, scenarios, config)


def merged_weights(name: str, options: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a run's weights with everything learned inside the backbone under the backbone's own keys.

    Args:
        name: of the run's method.
        options: of the run's method, values by name.
        weights: of the run.
    """
    return find_method(name).merged(weights, method_config(name, options))


__all__ = [
    "METHODS",
    "Method",
    "Prediction",
    "all_methods",
    "build_method",
    "find_method",
    "merged_weights",
    "method_config",
]
