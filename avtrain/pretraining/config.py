"""The configuration of a pretraining."""

import json
from typing import Any, Literal

from pydantic import Field

from avbuild.frozen import Frozen
from avbuild.scenarios.manifest import Manifest
from avtrain.backbones.cav_mae import CavMaeConfig

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
    weight_decay: float = Field(0.05, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0


def described(config: PretrainConfig, manifest: Manifest) -> dict[str, Any]:
    """Return the content of `pretrain.json`."""
    written = {"pretrain": config.model_dump(), "manifest": manifest.as_yaml()}
    content: dict[str, Any] = json.loads(json.dumps(written))
    return content
