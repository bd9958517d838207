"""The shapes of `dual`, small and random: for the demo, for tests, for trying things out."""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor, nn

from avbuild.frozen import Frozen
from avtrain.backbones.base import Backbone
from avtrain.backbones.vit import LayerScale, VisionTransformer
from avtrain.backbones.weights import load_into
from avtrain.backbones.whisper import WhisperEncoder
from avtrain.frontends import Frontend


class TinyConfig(Frozen):
    """Options of the backbone `tiny`."""

    width: int = Field(96, description="of a token; a multiple of heads", ge=8)
    layers: int = Field(2, description="of each encoder", ge=1)
    heads: int = Field(4, description="attention heads", ge=1)
    patch: int = Field(4, description="side of a picture's patch", ge=1)
    image_size: int = Field(32, description="side of the picture, a multiple of the patch", ge=8)
    audio_seconds: float = Field(2.0, description="length of the clip; cut or filled with silence", gt=0.1, le=30)


class Tiny(Backbone):
    """[B, 80, T] and [B, 3, S, S] to {"audio": [B, T / 2, D], "image": [B, 1 + patches, D]}; weights are random."""

    def __init__(self, config: TinyConfig, weights: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.width = config.width
        self.frontend = Frontend(config.audio_seconds, config.image_size)
        tokens = round(config.audio_seconds * 50)  # 100 frames a second, halved by the second convolution
        shape = {"width": config.width, "heads": config.heads, "layers": config.layers}
        self.audio_encoder = WhisperEncoder(**shape, positions=tokens)
        grid = config.image_size // config.patch
        self.image_encoder = VisionTransformer(**shape, patch=config.patch, grid=grid)
        self.apply(_initialise)
        nn.init.trunc_normal_(self.image_encoder.embeddings.position_embeddings, std=0.02)
        if weights is not None:
            load_into(self, weights, "this run's backbone")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, LayerScale):
        nn.init.ones_(module.lambda1)
