"""Fine-tuning: every weight is trained."""

from typing import Any

from pydantic import Field

from avtrain.methods.shared.pooled import PooledMethod
from avtrain.methods.shared.recipe import Recipe


class FinetuneConfig(Recipe):
    """Options of `finetune`."""

    head_lr: float = Field(10.0, description="learning rate of the head, times that of the backbone", gt=0)


class Finetune(PooledMethod):
    """A LayerNorm and a linear map a modality on pooled tokens, logits averaged, all trained with the backbone.

    Gong et al.: Contrastive Audio-Visual Masked Autoencoder, ICLR 2023, VGGSound recipe: learning rate 1e-4, head x 10,
    mixup of half the samples by weights near one half, label smoothing 0.1, weights averaged over the epochs from the
    third on.  Theirs too, but not here: Adam with betas (0.95, 0.999) and a rate that halves every epoch; here AdamW
    with a cosine, as for every method.  Theirs blends waveforms, ours spectrograms.  Classes are near balanced in our
    data sets, so samples are not drawn by class.
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
