"""Fine-tuning: every weight is trained."""

from typing import Any

from pydantic import Field

from avbuild.errors import UsageError
from avtrain.backbones.base import Backbone
from avtrain.frontends.kaldi_fbank import FbankFrontend
from avtrain.frontends.spectrogram_augmentation import SpectrogramAugmentation
from avtrain.methods.shared.pooled import PooledMethod
from avtrain.methods.shared.recipe import Recipe


class FinetuneConfig(Recipe):
    """Options of `finetune`."""

    augment: bool | None = Field(
        None, description="SpecAugment, noise and roll of the audio in training, as published; None: on cav-mae only"
    )
    frequency_mask: int = Field(48, description="SpecAugment: a band of up to so many bins is masked", ge=0)
    time_mask: int = Field(192, description="SpecAugment: a span of up to so many frames is masked", ge=0)
    head_lr: float = Field(10.0, description="learning rate of the head, as a multiple of the backbone's", gt=0)


class Finetune(PooledMethod):
    """The whole backbone and a linear head for each modality, all trained.

    Gong et al.: Contrastive Audio-Visual Masked Autoencoder, ICLR 2023, recipe for VGGSound: learning rate 1e-4, ten
    times that for the head, mixup of half the samples with weights near one half, label smoothing 0.1, and weights
    averaged over the epochs from the third on.  On `cav-mae` the audio is augmented in training as in that recipe
    (`SpectrogramAugmentation`: a band of up to 48 bins and a span of up to 192 frames are masked, noise is added, time
    is rolled); `augment: true` does so on other backbones that read log filter banks.  No other method augments audio.

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

    def __init__(self, backbone: Backbone, classes: int, scenarios: int, config: FinetuneConfig) -> None:
        super().__init__(backbone, classes, scenarios, config)
        if config.augment and self._filter_banks is None:
            raise UsageError(
                f"method.augment=true masks log filter banks, which {backbone.name} does not read here: leave it out, "
                "or use cav-mae, or resnet with backbone.spectrogram=fbank"
            )

    def spectrogram_augmentation(self, seed: int) -> SpectrogramAugmentation | None:
        banks, wanted = self._filter_banks, self.config.augment
        if banks is None or not (self.backbone.name == "cav-mae" if wanted is None else wanted):
            return None
        return SpectrogramAugmentation(seed, banks.fill, self.config.frequency_mask, self.config.time_mask)

    @property
    def _filter_banks(self) -> FbankFrontend | None:
        """The front end of the audio, where it computes log filter banks."""
        frontend = getattr(self.backbone, "frontend", None)
        found = getattr(frontend, "inner", frontend)
        return found if isinstance(found, FbankFrontend) and "audio" in self.backbone.modalities else None

    def parameter_groups(self, lr: float) -> list[dict[str, Any]]:
        return [
            {"params": list(self.backbone.parameters()), "lr": lr},
            {"params": list(self.head.parameters()), "lr": lr * self.config.head_lr},
        ]
