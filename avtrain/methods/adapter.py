"""Adapters: a frozen backbone with small trained bottlenecks after its sublayers."""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from avtrain.backbones.adapters import add_adapters, with_shared_adapters
from avtrain.backbones.base import Backbone
from avtrain.methods.shared.pooled import PooledMethod
from avtrain.methods.shared.recipe import Recipe


class AdapterConfig(Recipe):
    """Options of `adapter`."""

    bottleneck: int = Field(48, description="width of the bottleneck", ge=1)


class Adapter(PooledMethod):
    """A frozen backbone with an adapter, x + up(GELU(down(x))), after attention and MLP of every block.

    That includes blocks that serve all modalities, as the joint block of CAV-MAE does, whose adapters act in each of
    its passes; runs of avtrain 0.1 have none there.

    Houlsby et al.: Parameter-efficient transfer learning for NLP, ICML 2019, section 2.1.

    The adapter acts before the residual is added.  The paper trains the layer norms too; here the backbone stays as it
    is, as for every other frozen method.  The adapters become part of the backbone's weights: a run that starts from
    this one (`--init-from`) has them, frozen or trained like the encoders.
    """

    name = "adapter"
    source = "Houlsby et al., ICML 2019"
    Config = AdapterConfig
    default_lr = 3e-3

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: AdapterConfig) -> None:
        super().__init__(backbone, classes, scenarios, config)
        backbone.require_transformers("method adapter")
        self.freeze_backbone()
        for adapters in add_adapters(backbone, config.bottleneck):
            adapters.requires_grad_(True)

    def load_run_weights(self, weights: Mapping[str, Tensor]) -> None:
        super().load_run_weights(with_shared_adapters(weights, self.state_dict()))
