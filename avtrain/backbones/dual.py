"""Pretrained encoders side by side: DINOv2's ViT for images and video, Whisper's encoder for audio, BERT for text."""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from avbuild.errors import UserError
from avbuild.frozen import Frozen
from avtrain.backbones.base import AUDIO_IMAGE, Backbone, Encoder
from avtrain.backbones.bert_source import TextOptions, bert_from, load_bert, with_text
from avtrain.backbones.frames import FrameEncoder
from avtrain.backbones.vit import VisionTransformer
from avtrain.backbones.weights import count_layers, load_into, load_weights
from avtrain.backbones.whisper import WhisperEncoder
from avtrain.frontends.base import AnyFrontend
from avtrain.frontends.whisper_mel import Frontend

HEAD_WIDTH = 64  # of an attention head in every published DINOv2 and Whisper


class DualConfig(Frozen):
    """Options of the backbone `dual`."""

    vision: str = Field("facebook/dinov2-small", description="ViT weights: a safetensors file or a name on the Hub")
    audio: str = Field("openai/whisper-tiny.en", description="Whisper weights: a safetensors file or a name on the Hub")
    vision_layers: int | None = Field(None, description="number of layers of the ViT to use; None: all", ge=1)
    image_size: int = Field(112, description="side of the image in pixels, a multiple of the patch", ge=14)
    audio_seconds: float = Field(4.0, description="seconds of audio; cut or padded with silence", gt=0.1, le=30)
    frames: int = Field(3, description="number of frames of a video, evenly spread", ge=1)
    text: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        description="BERT weights: a safetensors file, a folder with config.json, or a name on the Hub",
    )
    text_vocab: str | None = Field(None, description="vocab.txt or tokenizer.json; None: beside the weights of text")
    text_layers: int | None = Field(None, description="number of layers of the text encoder to use; None: all", ge=1)
    text_heads: int | None = Field(
        None, description="attention heads of text; None: by config.json, or as published for its width", ge=1
    )
    text_tokens: int = Field(64, description="tokens of a text with [CLS] and [SEP]; cut or padded", ge=3)


class Dual(Backbone):
    """Audio [B, 80, T] to tokens [B, T / 2, D]; images [B, 3, S, S], or frames [B, F, 3, S, S], to [B, 1 + P, D]; text
    [B, N] to [B, N, D].

    P is the number of patches.
    """

    name = "dual"
    Config = DualConfig

    def __init__(
        self,
        config: DualConfig,
        weights: Mapping[str, Tensor] | None = None,
        modalities: tuple[str, ...] = AUDIO_IMAGE,
    ) -> None:
        super().__init__()
        self.modalities = modalities
        self.frontend: AnyFrontend = Frontend(config.audio_seconds, config.image_size, config.frames)
        for modality in modalities:
            self.add_module(f"{modality}_encoder", _encoder(modality, config, weights))
        self.frontend = with_text(self.frontend, self, config.text_tokens)
        widths = {m: self.encoder(m).width for m in modalities}
        self.width = widths[modalities[0]]
        if any(width != self.width for width in widths.values()):
            found = " and ".join(f"{_source(m, config)} is {width} wide" for m, width in widths.items())
            raise UserError(
                f"{found}; the backbone dual needs "
                "encoders of equal width, such as whisper-tiny (384), dinov2-small (384) and all-MiniLM-L6-v2 (384)"
            )


def _encoder(modality: str, config: DualConfig, weights: Mapping[str, Tensor] | None) -> Encoder:
    """Build an encoder with pretrained weights, or with those of a run, which needs no other file."""
    source, layers = _source(modality, config), config.vision_layers
    if modality == "text" and weights is None:
        heads, tokens = config.text_heads, config.text_tokens
        return load_bert(TextOptions(config.text, config.text_vocab, config.text_layers, heads, tokens))
    if weights is None:
        state = load_weights(source)
    else:
        inner = "pictures." if modality == "video" else ""  # as `FrameEncoder` names its image encoder
        state = _with_prefix(f"{modality}_encoder.{inner}", weights)
        source, layers = f"this run's {modality} encoder", None
    if modality == "audio":
        return whisper_from(state, source)
    if modality == "text":
        return bert_from(state, source, layers, config.text_tokens)
    image_encoder = vit_from(state, source, layers)
    return FrameEncoder(image_encoder) if modality == "video" else image_encoder


def _source(modality: str, config: DualConfig) -> str:
    return {"audio": config.audio, "text": config.text}.get(modality, config.vision)


def whisper_from(weights: Mapping[str, Tensor], source: str) -> WhisperEncoder:
    """Build Whisper's encoder, its sizes taken from the weights.

    Args:
        weights: of a Whisper model; those of the decoder are ignored.
        source: where they come from, for the error.

    Raises:
        UserError: the weights are of something else.
    """
    state = _without_prefix(weights, "model.")
    state = {key.removeprefix("encoder."): value for key, value in state.items() if not key.startswith("decoder.")}
    if "conv1.weight" not in state:
        raise UserError(f"{source}: holds no Whisper encoder (no key model.encoder.conv1.weight)")
    width, positions = state["conv1.weight"].shape[0], state["embed_positions.weight"].shape[0]
    layers = count_layers(state, "layers.")
    encoder = WhisperEncoder(width=width, heads=width // HEAD_WIDTH, layers=layers, positions=positions)
    load_into(encoder, state, source, ignore=("proj_out.",))
    return encoder


def vit_from(weights: Mapping[str, Tensor], source: str, layers: int | None) -> VisionTransformer:
    """Build DINOv2's ViT, its sizes taken from the weights.

    Args:
        weights: of a DINOv2 model; the mask token is ignored.
        source: where they come from, for the error.
        layers: number of layers to use, the first ones; None: all.

    Raises:
        UserError: the weights are of something else, or have fewer layers.
    """
    state = _without_prefix(weights, "dinov2.")
    if "embeddings.position_embeddings" not in state:
        raise UserError(f"{source}: holds no DINOv2 ViT (no key embeddings.position_embeddings)")
    available = count_layers(state, "encoder.layer.")
    if layers is not None and layers > available:
        raise UserError(f"{source}: has {available} layers; backbone.vision_layers asks for {layers}")
    used = layers or available
    projection = state["embeddings.patch_embeddings.projection.weight"]
    width, patch = projection.shape[0], projection.shape[-1]
    grid = round((state["embeddings.position_embeddings"].shape[1] - 1) ** 0.5)
    encoder = VisionTransformer(width=width, heads=width // HEAD_WIDTH, layers=used, patch=patch, grid=grid)
    unused = tuple(f"encoder.layer.{index}." for index in range(used, available))
    load_into(encoder, state, source, ignore=("embeddings.mask_token", "classifier.", *unused))
    return encoder


def _with_prefix(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _without_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items()}
