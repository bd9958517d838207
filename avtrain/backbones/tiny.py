"""The architecture of `dual`, small and with random weights: for the demo, for tests and for experiments."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field
from torch import Tensor, nn

from avbuild.frozen import Frozen
from avtrain.backbones.base import AUDIO_IMAGE, Backbone, Encoder
from avtrain.backbones.bert import BertEncoder, vocabulary_in
from avtrain.backbones.bert_source import with_text
from avtrain.backbones.frames import FrameEncoder
from avtrain.backbones.vit import Embeddings, LayerScale, VisionTransformer
from avtrain.backbones.weights import load_into
from avtrain.backbones.whisper import WhisperEncoder
from avtrain.frontends.base import AnyFrontend
from avtrain.frontends.whisper_mel import Frontend
from avtrain.frontends.wordpiece import MASK, NEEDED, read_wordpiece, wordpiece_of

LETTERS = [chr(code) for code in range(33, 127) if not chr(code).isupper()]  # of ASCII, after lower case
CHARACTERS = (*NEEDED, MASK, *LETTERS, *(f"##{letter}" for letter in LETTERS))


class TinyConfig(Frozen):
    """Options of the backbone `tiny`."""

    width: int = Field(96, description="width of a token; a multiple of heads", ge=8)
    layers: int = Field(2, description="layers of each encoder", ge=1)
    heads: int = Field(4, description="attention heads", ge=1)
    patch: int = Field(4, description="side of an image patch in pixels", ge=1)
    image_size: int = Field(32, description="side of the image in pixels, a multiple of the patch", ge=8)
    audio_seconds: float = Field(2.0, description="seconds of audio; cut or padded with silence", gt=0.1, le=30)
    frames: int = Field(3, description="number of frames of a video, evenly spread", ge=1)
    text_vocab: str | None = Field(None, description="vocab.txt or tokenizer.json; None: single letters and digits")
    text_tokens: int = Field(64, description="tokens of a text with [CLS] and [SEP]; cut or padded", ge=3)


class Tiny(Backbone):
    """Audio [B, 80, T] to tokens [B, T / 2, D]; images [B, 3, S, S], or frames [B, F, 3, S, S], to [B, 1 + P, D]; text
    [B, N] to [B, N, D].

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
        self.frontend: AnyFrontend = Frontend(config.audio_seconds, config.image_size, config.frames)
        for modality in modalities:
            self.add_module(f"{modality}_encoder", _encoder(modality, config, weights))
        self.frontend = with_text(self.frontend, self, config.text_tokens)
        self.apply(_initialise)
        for module in self.modules():
            if isinstance(module, Embeddings):
                nn.init.trunc_normal_(module.position_embeddings, std=0.02)
        if weights is not None:
            load_into(self, weights, "this run's backbone")


def _encoder(modality: str, config: TinyConfig, weights: Mapping[str, Tensor] | None) -> Encoder:
    if modality == "text":
        return _text_encoder(config, weights)
    shape = {"width": config.width, "heads": config.heads, "layers": config.layers}
    if modality == "audio":
        frames = Frontend(config.audio_seconds, config.image_size).shapes["audio"][1]
        return WhisperEncoder(**shape, positions=(frames + 1) // 2)  # the second convolution halves them
    image_encoder = VisionTransformer(**shape, patch=config.patch, grid=config.image_size // config.patch)
    return FrameEncoder(image_encoder) if modality == "video" else image_encoder


def _text_encoder(config: TinyConfig, weights: Mapping[str, Tensor] | None) -> BertEncoder:
    """Build the text encoder with the vocabulary of a run, of a file, or of single characters."""
    if weights is not None and "text_encoder.vocabulary" in weights:
        vocabulary = vocabulary_in(weights["text_encoder.vocabulary"])
    elif config.text_vocab is not None:
        vocabulary = read_wordpiece(Path(config.text_vocab).expanduser())
    else:
        vocabulary = wordpiece_of(CHARACTERS, "characters")
    return BertEncoder(
        width=config.width,
        heads=config.heads,
        layers=config.layers,
        hidden=4 * config.width,
        positions=config.text_tokens,
        words=len(vocabulary),
        vocabulary=vocabulary,
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, LayerScale):
        nn.init.ones_(module.lambda1)
