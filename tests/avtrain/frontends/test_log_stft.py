"""What ResNets read of a sound: the log spectrogram of its formula, repeated and cut, and the filter banks."""

import numpy as np
import pytest
import torch

from avtrain.backbones.registry import build_backbone
from avtrain.frontends.kaldi_fbank import log_filter_banks
from avtrain.frontends.log_stft import StftFrontend, log_magnitude, repeat_to_length


def test_the_log_spectrogram_is_that_of_the_formula() -> None:
    sound = np.random.default_rng(0).normal(0, 0.2, 4_000).astype(np.float32)
    mirrored = np.pad(sound.astype(np.float64), 256, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = [np.abs(np.fft.rfft(mirrored[at : at + 512] * window)) for at in range(0, 4_001, 353)]
    expected = np.log(np.stack(frames, axis=1) + 1e-7)
    found = log_magnitude(torch.from_numpy(sound)[None])[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_silence_is_the_logarithm_of_the_floor() -> None:
    assert log_magnitude(torch.zeros(1, 2_000)).allclose(torch.tensor(1e-7).log())


def test_a_clip_is_repeated_and_cut() -> None:
    assert repeat_to_length(torch.arange(3), 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert repeat_to_length(torch.arange(9), 7).tolist() == list(range(7))


def test_sound_is_resampled_before_it_is_repeated() -> None:
    frontend = StftFrontend(audio_seconds=0.5, image_size=8)
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(3_200) / 16_000)  # 0.2 s
    found = frontend.prepare("audio", tone)
    own = torch.sin(2 * torch.pi * 440 * torch.arange(4_410) / 22_050)
    assert len(found) == frontend.samples == 11_025
    inner = slice(50, -50)  # off the ends, where the filter sees silence
    torch.testing.assert_close(found[:4_410][inner], own[inner], rtol=0, atol=0.02)
    assert torch.equal(found[4_410:8_820], found[:4_410])


@pytest.mark.parametrize(("recipe", "shape"), [("ogm-ge", (257, 188)), ("fbank", (128, 1024))])
def test_both_spectrograms_have_their_published_shapes(recipe: str, shape: tuple[int, int]) -> None:
    frontend = build_backbone("resnet", {"spectrogram": recipe}).frontend
    sound = torch.randn(8_000)
    assert frontend.shapes["audio"] == shape
    assert frontend.finish("audio", frontend.prepare("audio", sound)[None]).shape == (1, *shape)


def test_filter_banks_are_not_normalised_and_their_padding_is_zero() -> None:
    frontend, sound = (
        build_backbone("resnet", {"spectrogram": "fbank", "audio_seconds": 0.5}).frontend,
        torch.randn(4_000),
    )
    prepared = frontend.prepare("audio", sound)
    banks = log_filter_banks(sound, 50)
    assert prepared.shape == (128, 50)
    assert torch.equal(prepared[:, : banks.shape[1]], banks)
    assert prepared[:, banks.shape[1] :].eq(0).all()
    assert banks.shape[1] == 23
