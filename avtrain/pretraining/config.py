"""The configuration of a pretraining."""

import json
from typing import Any, Literal

from pydantic import Field

from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest
from avtrain.backbones.cav_mae import CavMaeConfig

DECAY = {"adam": 5e-7, "adamw": 0.05}  # weight decay, where none is chosen
# values of the options that `pretrain.json` did not have in avtrain 0.1
EARLIER = {"optimizer": "adamw", "contrast_direction": "both", "augment": False, "visible": "nearest"}
WEIGHTS = "cav-mae.safetensors"  # the file of the pretrained weights


class PretrainConfig(Frozen):
    """Everything that decides the weights, except the data."""

    backbone: CavMaeConfig
    decoder_layers: int | None = Field(
        None, ge=1, description="layers of the decoder; None: 8, 4, 2 for base, small, tiny"
    )
    hidden: float = Field(0.75, gt=0, lt=1, description="fraction of each modality's patches that is masked")
    contrast: float = Field(0.01, ge=0, description="weight of the contrastive loss; reconstruction has 1")
    temperature: float = Field(0.05, gt=0, description="temperature of the contrastive loss")
    epochs: int = Field(25, ge=1)
    batch_size: int = Field(32, ge=2)
    lr: float = Field(5e-4, gt=0)
    optimizer: Literal["adam", "adamw"] = Field(
        "adam", description="adam: betas 0.95 and 0.999, as published; adamw: 0.9 and 0.95 (He et al., CVPR 2022)"
    )
    weight_decay: float | None = Field(None, ge=0, description="None: 5e-7 for adam, as published; 0.05 for adamw")
    contrast_direction: Literal["image-to-audio", "both"] = Field(
        "image-to-audio", description="contrastive loss: find the audio of each image, as published; both: average"
    )
    augment: bool = Field(True, description="add noise to the audio and roll it in time, as published")
    visible: Literal["floor", "nearest"] = Field(
        "floor", description="rounding of the number of visible patches; floor: as published"
    )
    warmup: float = Field(0.1, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0

    @property
    def decay(self) -> float:
        """The weight decay, chosen or that of the optimizer."""
        return DECAY[self.optimizer] if self.weight_decay is None else self.weight_decay


def described(config: PretrainConfig, manifest: Manifest) -> dict[str, Any]:
    """Return the content of `pretrain.json`."""
    chosen = {**config.model_dump(), "weight_decay": config.decay}
    written = {"pretrain": chosen, "manifest": manifest.as_yaml()}
    content: dict[str, Any] = json.loads(json.dumps(written))
    return content
