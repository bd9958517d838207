"""OGM-GE: the gradients of the leading modality are scaled down, and noise is added to those of all encoders."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.data.batch import Batch
from avtrain.methods.base import Prediction
from avtrain.methods.concat import Concat
from avtrain.methods.shared.unimodal_features import FeatureOptions, mean_where


class OGMGEConfig(FeatureOptions):
    """Options of `ogm-ge`."""

    alpha: float = Field(0.3, description="strength; published: 0.8 on CREMA-D, 0.1 on VGGSound, 0.3 by MLA", ge=0)
    enhance: bool = Field(True, description="add noise to the gradients (GE); false: OGM")
    on: Literal["all", "convolutions"] = Field("all", description="all encoder weights; or 4-D ones only, as released")
    begin: float = Field(0.0, description="first epoch with it, from 0, as a fraction of all epochs", ge=0, le=1)
    end: float = Field(0.5, description="last epoch with it, likewise; published: 0 to 50 of 100", ge=0, le=1)


class OGMGE(Concat):
    """Concatenation whose leading modality is slowed down by scaling the gradients of its encoder.

    Peng et al.: Balanced multimodal learning via on-the-fly gradient modulation, CVPR 2022.  After each backward pass,
    for all gradients g of the encoder of modality m:

        s_m   = sum_i softmax(z_m)_i[y_i]                          over the samples i of a batch
        rho_m = s_m / s_other
        k_m   = 1 - tanh(alpha rho_m)   where rho_m > 1, else 1
        g    <- k_m g + N(0, (std(g) + 1e-8)^2)                    the noise is GE, generalisation enhancement

    With more than two modalities s_other is the mean over the others.  Here s_m is a mean over the samples that have m,
    which gives the same ratio when all have it.  A modality that a whole batch lacks is not compared and gets no noise.

    Released code: only gradients with four dimensions are changed, those of 2-D convolutions.  On transformers that is
    the patch embedding, and on maps of frozen features nothing; `on: convolutions` does the same.
    """

    name = "ogm-ge"
    source = "Peng et al., CVPR 2022"
    Config = OGMGEConfig  # type: ignore[assignment]  # mypy takes what Field(...) gives a default for required

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: OGMGEConfig) -> None:
        super().__init__(backbone, classes, scenarios, config)
        if config.begin > config.end:
            raise UsageError(f"method.begin is {config.begin:g}, but must not be above method.end, {config.end:g}")
        self.config = config

    def training_step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
        prediction = self(batch)
        loss = cross_entropy(prediction.logits.float(), batch.labels)
        self.backward(loss, optimizer)
        if self.config.begin <= (self.progress.epoch - 1) / self.progress.epochs <= self.config.end:
            self.modulate(prediction, batch)
        self.update(optimizer)
        return loss.detach()

    @torch.no_grad()
    def modulate(self, prediction: Prediction, batch: Batch) -> None:
        """Scale the gradients of the encoders and add noise.

        Args:
            prediction: of the batch that the gradients come from.
            batch: its labels, and which modalities are present.
        """
        for modality, ratio in discrepancy_ratios(prediction.per_modality, batch).items():
            k = modulation_coefficient(ratio, self.config.alpha)
            gradients = [p.grad for p in self.encoder_parameters(modality) if p.grad is not None]
            for g in gradients:
                if self.config.on == "all" or g.dim() == 4:
                    noise = noise_like(g) if self.config.enhance else 0.0
                    g.mul_(k).add_(noise)


def discrepancy_ratios(logits: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Compute rho_m for each modality that the batch has.

    Args:
        logits: modality -> [B, C].
        batch: its labels, and which modalities are present.

    Returns:
        modality -> scalar; 1 for a modality without others.
    """
    p_label = {m: z.float().softmax(dim=1).gather(1, batch.labels[:, None])[:, 0] for m, z in logits.items()}
    scores = {m: mean_where(p, batch.present[m]) for m, p in p_label.items() if batch.present[m].any()}
    others = {m: [scores[other] for other in scores if other != m] or [scores[m]] for m in scores}
    return {m: score / torch.stack(others[m]).mean() for m, score in scores.items()}


def modulation_coefficient(ratio: Tensor, alpha: float) -> Tensor:
    """Compute k_m, below 1 for a leading modality and 1 for others.

    Args:
        ratio: rho_m, a scalar above 0.
        alpha: strength, from 0.
    """
    return torch.where(ratio > 1, 1 - torch.tanh(alpha * ratio), 1.0)


def noise_like(gradient: Tensor) -> Tensor:
    """Draw Gaussian noise with the standard deviation of a gradient's elements, which is 0 for a single element."""
    spread = gradient.std() if gradient.numel() > 1 else gradient.new_zeros(())
    return torch.randn_like(gradient) * (spread + 1e-8)
