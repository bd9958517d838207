"""Fine-tuning: every weight is trained."""

from typing import Any

from pydantic import Field

from avtrain.methods.shared.pooled import PooledMethod
from avtrain.methods.shared.recipe import Recipe


class FinetuneConfig(Recipe):
    """Options of `finetune`."""

    head_lr: float = Field(10.0, description="learning rate of the head, as a multiple of the backbone's", gt=0)


class Finetune(PooledMethod):
    """The whole backbone and a linear head for each modality, all trained.

    Gong et al.: Contrastive Audio-Visual Masked Autoencoder, ICLR 2023, recipe for VGGSound: learning rate 1e-4, ten
    times that for the head, mixup of half the samples with weights near one half, label smoothing 0.1, and weights
    averaged over the epochs from the third on.

    Differences: the paper uses Adam with betas (0.95, 0.999) and halves the learning rate every epoch, here it is AdamW
    with a cosine, as for every method; the paper blends waveforms, here spectrograms are blended; the paper draws
    samples by class, here they are not, since the classes of our data sets are nearly balanced.
    """

    name = "finetune"
    source = "Gong et al., ICLR 2023 (fine-tuning recipe of CAV-MAE)"
    Config = FinetuneConfig
    default_lr = 1e-4
    default_average_from = 3
    config: FinetuneConfig

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [
            {"params": list(self.backbone.parameters()), "lr": lr},
            {"params": list(self.head.parameters()), "lr": lr * self.config.head_lr},
        ]
