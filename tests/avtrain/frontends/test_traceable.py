"""Batches of raw signals get what `prepare` and `finish` give each of them alone, for any length and size."""

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from avtrain.frontends.base import normalise_image
from avtrain.frontends.kaldi_fbank import FbankFrontend
from avtrain.frontends.log_stft import StftFrontend
from avtrain.frontends.traceable import TraceableFrontend
from avtrain.frontends.traceable_image import normalise_images
from avtrain.frontends.visual import VisualFrontend
from avtrain.frontends.whisper_mel import Frontend

FRONTENDS = {
    "whisper": Frontend(0.5, 16),
    "fbank": FbankFrontend(audio_frames=48, image_size=16),
    "ogm-ge": StftFrontend(audio_seconds=0.5, image_size=16),
    "ogm-ge of 0.1": StftFrontend(audio_seconds=0.5, image_size=16, version=1),
    "squash": VisualFrontend(Frontend(0.5, 16), 16, 3, "squash", "first"),
    "crop, first": VisualFrontend(Frontend(0.5, 16), 16, 3, "crop", "first"),
    "squash, spread": VisualFrontend(Frontend(0.5, 16), 16, 3, "squash", "spread"),
}
LENGTHS = (1, 160, 399, 400, 1_234, 7_999, 8_000, 11_111, 40_000)
ONE_LEVEL = 1 / 255 / 0.224  # of 8 bits, once normalised by the smallest deviation


def clips() -> list[Tensor]:
    """Clips of many lengths, in 16 bits: noise under a loud tone, of silence one."""
    generator = torch.Generator().manual_seed(0)
    made = [
        0.7 * torch.sin(torch.arange(length) * 0.2) + 0.01 * torch.randn(length, generator=generator)
        for length in LENGTHS
    ]
    return [(clip * 32_768).round() / 32_768 for clip in made] + [torch.zeros(3_000)]


@pytest.mark.parametrize("name", FRONTENDS)
def test_clips_of_a_batch_get_what_each_gets_alone(name: str) -> None:
    frontend = FRONTENDS[name]
    assert isinstance(frontend, TraceableFrontend)
    alone = torch.cat([frontend.finish("audio", frontend.prepare("audio", clip)[None]) for clip in clips()])
    lengths = torch.tensor([len(clip) for clip in clips()])
    together = frontend.prepare_batch("audio", pad_sequence(clips(), batch_first=True, padding_value=9.0), lengths)
    assert together.dtype == torch.float32
    # the logarithm of a magnitude below 1e-3 shows the rounding of 32 bits: there magnitudes are compared
    heard = alone > -6.9 if name.startswith("ogm-ge") else torch.full(alone.shape, True)
    torch.testing.assert_close(together[heard], alone[heard], rtol=1e-3, atol=5e-3)
    torch.testing.assert_close(together[~heard].exp(), alone[~heard].exp(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", FRONTENDS)
@pytest.mark.parametrize(("height", "width"), [(16, 16), (20, 30), (31, 17), (5, 5), (1, 9), (300, 400), (401, 77)])
def test_images_get_what_each_gets_alone(name: str, height: int, width: int) -> None:
    frontend = FRONTENDS[name]
    images = torch.randint(0, 256, (3, height, width, 3), generator=torch.Generator().manual_seed(0)).byte()
    alone = torch.stack([frontend.prepare("image", image) for image in images])
    together = frontend.prepare_batch("image", images, None)
    torch.testing.assert_close(together, alone, rtol=0, atol=1.01 * ONE_LEVEL)
    assert ((together - alone).abs() > 0.01).double().mean() < 0.001  # hardly a pixel is rounded the other way


@pytest.mark.parametrize("name", ["whisper", "squash", "crop, first", "squash, spread"])
@pytest.mark.parametrize("frames", [1, 2, 3, 8, 11])
def test_videos_get_what_each_gets_alone(name: str, frames: int) -> None:
    frontend = FRONTENDS[name]
    videos = torch.randint(0, 256, (2, frames, 20, 30, 3), generator=torch.Generator().manual_seed(0)).byte()
    alone = torch.stack([frontend.prepare("video", video) for video in videos])
    torch.testing.assert_close(frontend.prepare_batch("video", videos, None), alone, rtol=0, atol=1.01 * ONE_LEVEL)


@pytest.mark.parametrize("size", [16, 84, 112, 224])
def test_an_image_of_the_right_size_is_only_normalised(size: int) -> None:
    pixels = torch.randint(0, 256, (3, size, size), generator=torch.Generator().manual_seed(0)).byte()
    assert torch.equal(normalise_images(pixels, size), normalise_image(pixels, size))
