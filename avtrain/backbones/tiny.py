"""The architecture of `dual`, small and with random weights: for the demo, for tests and for experiments."""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor, nn

from avbuild.frozen import Frozen
from avtrain.backbones.base import AUDIO_IMAGE, Backbone, Encoder
from avtrain.backbones.frames import FrameEncoder
from avtrain.backbones.vit import Embeddings, LayerScale, VisionTransformer
from avtrain.backbones.weights import load_into
from avtrain.backbones.whisper import WhisperEncoder
from avtrain.frontends.whisper_mel import Frontend


class TinyConfig(Frozen):
    """Options of the backbone `tiny`."""

    width: int = Field(96, description="width of a token; a multiple of heads", ge=8)
    layers: int = Field(2, description="layers of each encoder", ge=1)
    heads: int = Field(4, description="attention heads", ge=1)
    patch: int = Field(4, description="side of an image patch in pixels", ge=1)
    image_size: int = Field(32, description="side of the image in pixels, a multiple of the patch", ge=8)
    audio_seconds: float = Field(2.0, description="seconds of audio; cut or padded with silence", gt=0.1, le=30)
    frames: int = Field(3, description="number of frames of a video, evenly spread", ge=1)


class Tiny(Backbone):
    """Audio [B, 80, T] to tokens [B, T / 2, D]; images [B, 3, S, S], or frames [B, F, 3, S, S], to [B, 1 + P, D].

    P is the number of patches.  Weights are random unless those of a run are given.
    """

    name = "tiny"
    Config = TinyConfig

    def __init__(
        self,
        config: TinyConfig,
        weights: Mapping[str, Tensor] | None = None,
        modalities: tuple[str, ...] = AUDIO_IMAGE,
    ) -> None:
        super().__init__()
        self.width, self.modalities = config.width, modalities
        self.frontend = Frontend(config.audio_seconds, config.image_size, config.frames)
        for modality in modalities:
            self.add_module(f"{modality}_encoder", _encoder(modality, config))
        self.apply(_initialise)
        for module in self.modules():
            if isinstance(module, Embeddings):
                nn.init.trunc_normal_(module.position_embeddings, std=0.02)
        if weights is not None:
            load_into(self, weights, "this run's backbone")


def _encoder(modality: str, config: TinyConfig) -> Encoder:
    shape = {"width": config.width, "heads": config.heads, "layers": config.layers}
    if modality == "audio":
        frames = Frontend(config.audio_seconds, config.image_size).shapes["audio"][1]
        return WhisperEncoder(**shape, positions=(frames + 1) // 2)  # the second convolution halves them
    image_encoder = VisionTransformer(**shape, patch=config.patch, grid=config.image_size // config.patch)
    return FrameEncoder(image_encoder) if modality == "video" else image_encoder


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, LayerScale):
        nn.init.ones_(module.lambda1)
