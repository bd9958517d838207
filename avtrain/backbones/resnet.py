"""A ResNet-18 for each modality, trained from scratch, as published work on balanced multimodal learning does.

He et al.: Deep residual learning for image recognition, CVPR 2016.  Audio is a spectrogram of one channel.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import AUDIO_IMAGE, Backbone, Encoder, Reading
from avtrain.backbones.frames import FrameEncoder
from avtrain.backbones.weights import load_into
from avtrain.data.batch import Batch
from avtrain.frontends.base import AnyFrontend
from avtrain.frontends.kaldi_fbank import FbankFrontend
from avtrain.frontends.log_stft import StftFrontend
from avtrain.frontends.visual import FrameChoice, Resize, VisualFrontend

WIDTH = 512  # number of channels of the last feature map
SECONDS = {"ogm-ge": 3.0, "fbank": 10.24}  # published lengths of a clip: 188 frames of STFT, 1024 of filter banks


class ResNetConfig(Frozen):
    """Options of the backbone `resnet`."""

    image_size: int = Field(224, description="side of an image or frame in pixels", ge=8)
    spectrogram: Literal["ogm-ge", "fbank"] = Field(
        "ogm-ge",
        description="log STFT, 257 x 188, of the repeated clip; or Kaldi filter banks, not normalised, 128 x 1024",
    )
    audio_seconds: float | None = Field(
        None, description="seconds of audio; None: 3 (ogm-ge), 10.24 (fbank)", gt=0.1, le=30
    )
    frames: int = Field(3, description="number of frames of a video, evenly spread", ge=1)
    resize: Resize = Field("crop", description="keep the shape and crop the centre; squash: to a square, as published")
    frame_choice: FrameChoice = Field(
        "spread", description="spread evenly over a video; first: the first ones, likewise"
    )


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that uses the running statistics where a channel has a single value, which has no variance."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.numel() <= input.shape[1]:
            mean, variance = self.running_mean, self.running_var
            return functional.batch_norm(input, mean, variance, self.weight, self.bias, eps=self.eps)
        return super().forward(input)


class ResNetEncoder(Encoder):
    """[B, C, H, W], or [B, H, W] of one channel, to the last feature map in row order, [B, H / 32 * W / 32, 512].

    The mean over these tokens, which `pool` returns, is ResNet's global average pooling.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = self.pooled_width = WIDTH
        from torchvision.models import resnet18  # takes seconds to import, which other backbones should not wait for

        layers = OrderedDict(resnet18(norm_layer=BatchNorm).named_children())
        for name in ("avgpool", "fc"):
            del layers[name]
        layers["conv1"] = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.layers = nn.Sequential(layers)
        self.apply(_initialise)

    def forward(self, inputs: Tensor) -> Tensor:
        maps: Tensor = self.layers(inputs[:, None] if inputs.dim() == 3 else inputs)
        return maps.flatten(2).transpose(1, 2)


class ResNet(Backbone):
    """Audio [B, bins, frames], images [B, 3, S, S] and video [B, F, 3, S, S] to tokens [B, N, 512]; random weights.

    The rows of an absent modality are not encoded, so that batch norm does not count them; their tokens are zeros.
    Since batch norm mixes the rows of a batch in training, each of several ranks computes the whole batch, which is
    exact and no faster.
    """

    name = "resnet"
    Config = ResNetConfig

    rows_independent = False

    def __init__(
        self,
        config: ResNetConfig,
        weights: Mapping[str, Tensor] | None = None,
        modalities: tuple[str, ...] = AUDIO_IMAGE,
    ) -> None:
        super().__init__()
        if "text" in modalities:
            raise UsageError(
                f"backbone resnet has no encoder for text; this data set has {', '.join(modalities)}: use dual or tiny"
            )
        self.width, self.modalities = WIDTH, modalities
        self.frontend = _frontend(config)
        for modality in modalities:
            encoder = ResNetEncoder(channels=1 if modality == "audio" else 3)
            self.add_module(f"{modality}_encoder", FrameEncoder(encoder) if modality == "video" else encoder)
        if weights is not None:
            load_into(self, weights, "this run's backbone")

    def require_transformers(self, who: str) -> None:
        raise UsageError(f"{who} needs a backbone of transformers; resnet has none: use dual, tiny or cav-mae")

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        return {m: _encode_present(m, batch, self.encoder(m)) for m in self.modalities}

    @torch.no_grad()
    def encode_frozen(self, batch: Batch, reading: Reading) -> dict[str, Tensor]:
        return {m: _encode_present(m, batch, partial(self.encoder(m).read, reading=reading)) for m in self.modalities}


def _encode_present(modality: str, batch: Batch, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the tokens of the rows that have a modality, zeros in the others, [B, N, D]."""
    inputs, present = batch.inputs[modality], batch.present[modality]
    if torch.compiler.is_exporting():  # shapes must not depend on what is present; in eval mode no row affects another
        return encode(inputs).where(present[:, None, None], 0.0)
    encoded = encode(inputs[present])
    tokens = encoded.new_zeros(len(present), *encoded.shape[1:])
    tokens[present] = encoded
    return tokens


def _frontend(config: ResNetConfig) -> AnyFrontend:
    seconds = config.audio_seconds or SECONDS[config.spectrogram]
    frontend: AnyFrontend
    if config.spectrogram == "ogm-ge":
        frontend = StftFrontend(seconds, config.image_size, config.frames)
    else:
        frontend = FbankFrontend(round(100 * seconds), config.image_size, mean=0.0, std=1.0, frames=config.frames)
    if (config.resize, config.frame_choice) == ("crop", "spread"):
        return frontend
    return VisualFrontend(frontend, config.image_size, config.frames, config.resize, config.frame_choice)


def _initialise(module: nn.Module) -> None:
    """Initialise convolutions as the published code does: He et al., ICCV 2015, by their output channels."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
