"""DCCAE: DCCA whose outputs must also be enough to reconstruct the modality."""

import torch
from pydantic import Field
from torch import Tensor, nn

from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.dcca import DCCA, DCCAConfig, deep_network
from avtrain.methods.shared.unimodal_features import mean_where


class DCCAEConfig(DCCAConfig):
    """Options of `dccae`."""

    weight: float = Field(1e-3, description="weight of the reconstruction loss; as released: 1e-3", ge=0)


class DCCAE(DCCA):
    """`dcca` with a decoder for each modality: z_m must be correlated and enough to reconstruct x_m.

    Wang et al.: On deep multi-view representation learning, ICML 2015; as a baseline of missing modalities in Zhang et
    al., CVPR 2024, Table 2.

        loss = loss of dcca + 1e-3 sum_m mean_(i with m) |dec_m(z_m,i) - x_m,i|^2 / D_m

    x_m is [B, D_m], without gradient, and dec_m an MLP k - 256 - 256 - 256 - D_m of batch norms and ReLU.  Of samples
    that lack the modality nothing is reconstructed.

    Released code: differs as that of `dcca` does; the third modality is also reconstructed by the second's decoder
    (`third_view: as_released`).  It reconstructs the means that stand for missing modalities, too.
    """

    name = "dccae"
    source = "Wang et al., ICML 2015; Zhang et al., CVPR 2024, Table 2"
    Config = DCCAEConfig
    config: DCCAEConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: DCCAEConfig) -> None:
        super().__init__(backbone, classes, scenarios, config)
        self.decoders = nn.ModuleDict({m: deep_network(config.dimensions, self.widths[m]) for m in self.networks})

    def loss(self, batch: Batch) -> Tensor:
        x = self.embeddings(batch)
        z = self.project(x)
        decoded = {m: self.decoders[self.network_of[m]](v) for m, v in z.items()}
        errors = {m: (decoded[m].float() - x[m].detach().float()).square().mean(dim=1) for m in x}
        reconstruction = torch.stack([mean_where(error, batch.present[m]) for m, error in errors.items()]).sum()
        return self.correlation_loss(z) + self.config.weight * reconstruction
