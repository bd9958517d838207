"""CRA: a cascade of residual autoencoders completes what is missing."""

from pydantic import Field
from torch import nn

from avtrain.methods.ae import AE, AE_LAYERS, AEConfig
from avtrain.methods.shared.residual_autoencoder import ResidualAutoencoder


class CRAConfig(AEConfig):
    """Options of `cra`."""

    weight: float = Field(0.8, description="weight of the reconstruction loss; as released: 0.8", ge=0)
    blocks: int = Field(2, description="number of autoencoders in the cascade; as released: 2", ge=1)


class CRA(AE):
    """`ae` with a cascade of autoencoders, each of which adds to what the ones before it have reconstructed.

    Tran et al.: Missing modalities imputation via cascaded residual autoencoder, CVPR 2017; as a baseline of missing
    modalities in Zhang et al., CVPR 2024, Table 2.

    With x_0 = h, the encodings of all modalities side by side, [B, 128 M], and out_0 = 0,

        x_i = x_(i-1) + out_(i-1),    out_i = AE_i(x_i),    i = 1, 2,    AE_i: 128 M - 256 - 128 - 256 - 128 M
        h' = T(x_2 + out_2),          T = Linear(ReLU(Linear(.)))

    Encoders, decoders, classifier and the rest of the loss are those of `ae`, with 0.8 in place of 0.2.

    Released code: none by the authors is known.  That of the baseline knows the content of what is missing, and differs
    as that of `ae` does.
    """

    name = "cra"
    source = "Tran et al., CVPR 2017; Zhang et al., CVPR 2024, Table 2"
    Config = CRAConfig
    config: CRAConfig

    def build_completion(self, width: int) -> nn.Module:
        return ResidualAutoencoder(width, AE_LAYERS, self.config.blocks)
