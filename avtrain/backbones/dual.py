"""Two pretrained encoders side by side: DINOv2's ViT for pictures, Whisper's encoder for sounds."""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from avbuild.errors import UserError
from avbuild.frozen import Frozen
from avtrain.backbones.base import AUDIO_IMAGE, Backbone, Encoder
from avtrain.backbones.frames import FrameEncoder
from avtrain.backbones.vit import VisionTransformer
from avtrain.backbones.weights import count_layers, load_into, load_weights
from avtrain.backbones.whisper import WhisperEncoder
from avtrain.frontends.whisper_mel import Frontend

HEAD_WIDTH = 64  # of every published DINOv2 and Whisper


class DualConfig(Frozen):
    """Options of the backbone `dual`."""

    vision: str = Field("facebook/dinov2-small", description="ViT weights: a safetensors file or a name on the Hub")
    audio: str = Field("openai/whisper-tiny.en", description="Whisper weights: a safetensors file or a name on the Hub")
    vision_layers: int | None = Field(None, description="layers of the ViT to use; None: all", ge=1)
    image_size: int = Field(112, description="side of the picture, a multiple of the patch", ge=14)
    audio_seconds: float = Field(4.0, description="length of the clip; cut or filled with silence", gt=0.1, le=30)
    frames: int = Field(3, description="of a video, evenly spread", ge=1)


class Dual(Backbone):
    """[B, 80, T] to audio [B, T / 2, D]; [B, 3, S, S], or frames of it, to [B, 1 + patches, D]."""

    def __init__(
        self,
        config: DualConfig,
        weights: Mapping[str, Tensor] | None = None,
        modalities: tuple[str, ...] = AUDIO_IMAGE,
    ) -> None:
        super().__init__()
        self.modalities = modalities
        self.frontend = Frontend(config.audio_seconds, config.image_size, config.frames)
        for modality in modalities:
            self.add_module(f"{modality}_encoder", _encoder(modality, config, weights))
        widths = {m: self.encoder(m).width for m in modalities}
        self.width = widths[modalities[0]]
        if any(width != self.width for width in widths.values()):
            found = " and ".join(f"{_source(m, config)} is {width} wide" for m, width in widths.items())
            raise UserError(
                f"{found}; the backbone dual needs "
                "encoders of equal width, such as whisper-tiny (384) and dinov2-small (384)"
            )


def _encoder(modality: str, config: DualConfig, weights: Mapping[str, Tensor] | None) -> Encoder:
    """Pretrained, or with those of a run, which holds its encoders whole: their files are not needed again."""
    source, layers = _source(modality, config), config.vision_layers
    if weights is None:
        state = load_weights(source)
    else:
        inner = "pictures." if modality == "video" else ""
        state, source, layers = _below(f"{modality}_encoder.{inner}", weights), f"this run's {modality} encoder", None
    if modality == "audio":
        return whisper_from(state, source)
    pictures = vit_from(state, source, layers)
    return FrameEncoder(pictures) if modality == "video" else pictures


def _source(modality: str, config: DualConfig) -> str:
    return config.audio if modality == "audio" else config.vision


def whisper_from(weights: Mapping[str, Tensor], source: str) -> WhisperEncoder:
    """Whisper's encoder with its weights; those of the decoder are ignored."""
    state = _strip(weights, "model.")
    state = {key.removeprefix("encoder."): value for key, value in state.items() if not key.startswith("decoder.")}
    if "conv1.weight" not in state:
        raise UserError(f"{source}: holds no Whisper encoder (no key model.encoder.conv1.weight)")
    width, positions = state["conv1.weight"].shape[0], state["embed_positions.weight"].shape[0]
    layers = count_layers(state, "layers.")
    encoder = WhisperEncoder(width=width, heads=width // HEAD_WIDTH, layers=layers, positions=positions)
    load_into(encoder, state, source, ignore=("proj_out.",))
    return encoder


def vit_from(weights: Mapping[str, Tensor], source: str, layers: int | None) -> VisionTransformer:
    """DINOv2's ViT with its weights; layers beyond `layers` and the mask token are ignored."""
    state = _strip(weights, "dinov2.")
    if "embeddings.position_embeddings" not in state:
        raise UserError(f"{source}: holds no DINOv2 ViT (no key embeddings.position_embeddings)")
    there = count_layers(state, "encoder.layer.")
    if layers is not None and layers > there:
        raise UserError(f"{source}: has {there} layers; backbone.vision_layers asks for {layers}")
    used = layers or there
    projection = state["embeddings.patch_embeddings.projection.weight"]
    width, patch = projection.shape[0], projection.shape[-1]
    grid = round((state["embeddings.position_embeddings"].shape[1] - 1) ** 0.5)
    encoder = VisionTransformer(width=width, heads=width // HEAD_WIDTH, layers=used, patch=patch, grid=grid)
    unused = tuple(f"encoder.layer.{index}." for index in range(used, there))
    load_into(encoder, state, source, ignore=("embeddings.mask_token", "classifier.", *unused))
    return encoder


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _strip(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items()}
