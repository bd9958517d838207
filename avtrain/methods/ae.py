"""AE: an autoencoder over all modalities completes what is missing, and its reconstruction is classified."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.shared.embeddings import EmbeddingMethod, EmbeddingOptions
from avtrain.methods.shared.hiding import hide_modalities
from avtrain.methods.shared.residual_autoencoder import MLP, MLP_WIDTH, Autoencoder
from avtrain.methods.shared.unimodal_features import zero_absent

AE_LAYERS = (256, 128)


class AEConfig(EmbeddingOptions):
    """Options of `ae`."""

    weight: float = Field(0.2, description="weight of the reconstruction loss; as released: 0.2", ge=0)
    hide: float = Field(0.5, description="probability of hiding a modality in training; one is always left", ge=0, le=1)
    dropout: float = Field(0.5, description="probability of hiding a feature of a hidden layer", ge=0, lt=1)
    reduction: Literal["sum", "mean"] = Field(
        "sum", description="of the reconstruction loss over the batch; sum: as released, so it grows with the batch"
    )
    init: Literal["normal", "torch"] = Field(
        "normal", description="initial weights; normal: as released, standard deviation 0.02 and zero biases"
    )


class AE(EmbeddingMethod):
    """The encodings of all modalities through one autoencoder, whose output is decoded and classified.

    Bengio et al.: Greedy layer-wise training of deep networks, NeurIPS 2006; as a baseline of missing modalities in
    Zhang et al., CVPR 2024, Table 2.

    x_m is [B, D_m], zeros where the modality is missing.  With h = [enc_1(x_1); ...; enc_M(x_M)], [B, 128 M],

        h' = AE(h),    AE: 128 M - 256 - 128 - 256 - 128 M, LeakyReLU, ReLU at the end
        z  = C(h')
        loss = CE(z) + 0.2 sum_m sum_(i without m) |dec_m(h'_i) - x_m,i|^2 / D_m

    enc_m, dec_m and C are MLPs of two hidden layers of 128 with ReLU and dropout.  The targets x_m of the second part
    have no gradient.  What a sample of the data lacks nobody knows, so it is no target: in each step every modality of
    every sample is hidden with probability `hide`, and the sum is over what was hidden.

    Released code: trains on complete data from which it removes modalities itself, at the rate of the test, and so
    knows the content of all that is missing; `--train-on clean` with `hide` as that rate comes near to it.  Its
    features are not standardised.  It decays the learning rate linearly over the last 80 of 100 epochs, with Adam's
    beta_1 = 0.5, and clips the gradients of each network at 5; here it is a cosine and one limit of 5 for all.
    """

    name = "ae"
    source = "Bengio et al., NeurIPS 2006; Zhang et al., CVPR 2024, Table 2"
    Config: ClassVar[type[Frozen]] = AEConfig

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: AEConfig) -> None:
        super().__init__(backbone, config.frozen)
        self.config = config
        self.encoders = nn.ModuleDict({m: MLP(width, dropout=config.dropout) for m, width in self.widths.items()})
        joint = MLP_WIDTH * len(self.widths)
        self.completion = self.build_completion(joint)
        self.decoders = nn.ModuleDict({m: MLP(joint, width, config.dropout) for m, width in self.widths.items()})
        self.classifier = MLP(joint, classes, config.dropout)

    def build_completion(self, width: int) -> nn.Module:
        """Build what completes the encodings: a module whose first output is [B, width], as its input."""
        return Autoencoder(width, AE_LAYERS, relu_output=True)

    def initialise(self) -> None:
        if self.config.init == "normal":
            for part in (self.encoders, self.completion, self.decoders, self.classifier):
                part.apply(_draw_normal)

    def forward(self, batch: Batch) -> Prediction:
        return Prediction(self.classifier(self.complete(self.embeddings(batch))))

    def complete(self, x: dict[str, Tensor]) -> Tensor:
        """Return h', [B, 128 M].  x: modality -> [B, D_m], zeros where it is missing."""
        completed: Tensor = self.completion(torch.cat([self.encoders[m](v) for m, v in x.items()], dim=1))[0]
        return completed

    def loss(self, batch: Batch) -> Tensor:
        x = self.embeddings(batch)
        shown = hide_modalities(batch.present, self.config.hide)
        completed = self.complete(zero_absent(x, shown))
        loss = cross_entropy(self.classifier(completed).float(), batch.labels)
        hidden = {m: batch.present[m] & ~shown[m] for m in x}
        decoded = {m: self.decoders[m](completed) for m in x}
        return loss + self.config.weight * reconstruction_loss(decoded, x, hidden, self.config.reduction)

    def encoder_modules(self, modality: str) -> list[nn.Module]:
        return [*super().encoder_modules(modality), self.encoders[modality]]


def reconstruction_loss(
    decoded: dict[str, Tensor], targets: dict[str, Tensor], where: dict[str, Tensor], reduction: Literal["sum", "mean"]
) -> Tensor:
    """Compute sum_m sum_(i in where_m) |decoded_m,i - target_m,i|^2 / D_m.

    Args:
        decoded: modality -> [B, D_m].
        targets: modality -> [B, D_m]; no gradient passes through them.
        where: modality -> bool [B].
        reduction: `mean` divides by B.
    """
    errors = {m: (decoded[m].float() - x.detach().float()).square().mean(dim=1) for m, x in targets.items()}
    total = torch.stack([error.where(where[m], 0.0).sum() for m, error in errors.items()]).sum()
    return total if reduction == "sum" else total / len(next(iter(where.values())))


def _draw_normal(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
