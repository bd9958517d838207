"""ResNet-18 from scratch, one a modality: what the work on balanced multimodal learning trains.

He et al.: Deep residual learning for image recognition, CVPR 2016; sound as a picture of one channel.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import resnet18

from avbuild.errors import UsageError
from avbuild.frozen import Frozen
from avtrain.backbones.base import AUDIO_IMAGE, Backbone, Encoder, Reading
from avtrain.backbones.frames import FrameEncoder
from avtrain.backbones.weights import load_into
from avtrain.data.batch import Batch
from avtrain.frontends.base import AnyFrontend
from avtrain.frontends.kaldi_fbank import FbankFrontend
from avtrain.frontends.log_stft import StftFrontend

WIDTH = 512  # channels of the last feature map
SECONDS = {"ogm-ge": 3.0, "fbank": 10.24}  # published lengths of a clip: 188 frames of STFT, 1024 of filter banks


class ResNetConfig(Frozen):
    """Options of the backbone `resnet`."""

    image_size: int = Field(224, description="side of a picture or frame", ge=8)
    spectrogram: Literal["ogm-ge", "fbank"] = Field(
        "ogm-ge",
        description="log STFT, 257 x 188, the clip repeated; or Kaldi filter banks as they are, 128 x 1024",
    )
    audio_seconds: float | None = Field(
        None, description="length of the clip; by spectrogram: 3 (ogm-ge), 10.24 (fbank)", gt=0.1, le=30
    )
    frames: int = Field(3, description="of a video, evenly spread", ge=1)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm, but for a single value a channel, which has no variance: by the statistics learned so far."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.numel() <= input.shape[1]:
            mean, variance = self.running_mean, self.running_var
            return functional.batch_norm(input, mean, variance, self.weight, self.bias, eps=self.eps)
        return super().forward(input)


class ResNetEncoder(Encoder):
    """[B, C, H, W], or [B, H, W] of one channel, to the last feature map, row by row: [B, H / 32 * W / 32, 512].

    Their mean, which `pool` gives, is ResNet's global average pool.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = self.pooled_width = WIDTH
        whole = OrderedDict(resnet18(norm_layer=BatchNorm).named_children())
        for name in ("avgpool", "fc"):
            del whole[name]
        whole["conv1"] = nn.Conv2d(channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.layers = nn.Sequential(whole)
        self.apply(_initialise)

    def forward(self, inputs: Tensor) -> Tensor:
        maps: Tensor = self.layers(inputs[:, None] if inputs.dim() == 3 else inputs)
        return maps.flatten(2).transpose(1, 2)


class ResNet(Backbone):
    """Sound [B, bins, frames], pictures [B, 3, S, S] and video [B, F, 3, S, S] to [B, N, 512]; weights are random.

    Rows of an absent modality are not encoded, so that batch norm does not count them; their tokens are zeros.  In
    training rows do influence each other by way of batch norm: of several processes each computes the whole batch,
    which is exact and no faster.
    """

    rows_independent = False

    def __init__(
        self,
        config: ResNetConfig,
        weights: Mapping[str, Tensor] | None = None,
        modalities: tuple[str, ...] = AUDIO_IMAGE,
    ) -> None:
        super().__init__()
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
        return {m: _of_present(m, batch, self.encoder(m)) for m in self.modalities}

    @torch.no_grad()
    def encode_frozen(self, batch: Batch, reading: Reading) -> dict[str, Tensor]:
        return {m: _of_present(m, batch, partial(self.encoder(m).read, reading=reading)) for m in self.modalities}


def _of_present(modality: str, batch: Batch, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Tokens of the rows that have a modality, zeros in the others, [B, N, D]."""
    inputs, there = batch.inputs[modality], batch.present[modality]
    if torch.compiler.is_exporting():  # no shape may then depend on what is present; nor does a row on another
        return encode(inputs).where(there[:, None, None], 0.0)
    tokens = encode(inputs[there])
    whole = tokens.new_zeros(len(there), *tokens.shape[1:])
    whole[there] = tokens
    return whole


def _frontend(config: ResNetConfig) -> AnyFrontend:
    seconds = config.audio_seconds or SECONDS[config.spectrogram]
    if config.spectrogram == "ogm-ge":
        return StftFrontend(seconds, config.image_size, config.frames)
    return FbankFrontend(round(100 * seconds), config.image_size, mean=0.0, std=1.0, frames=config.frames)


def _initialise(module: nn.Module) -> None:
    """As the published code does: He et al., ICCV 2015, by the channels that leave a convolution."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
