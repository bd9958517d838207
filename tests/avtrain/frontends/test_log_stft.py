"""What ResNets read of a sound: the log spectrogram of its formula, repeated and cut, and the filter banks."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import firwin, upfirdn
from torchaudio.functional import resample

from avtrain.backbones.registry import build_backbone
from avtrain.frontends.base import version_of, with_version
from avtrain.frontends.kaldi_fbank import FbankFrontend, log_filter_banks
from avtrain.frontends.log_stft import StftFrontend, log_magnitude, repeat_to_length, resample_sharply


def test_the_log_spectrogram_is_that_of_the_formula() -> None:
    sound = np.random.default_rng(0).normal(0, 0.2, 4_000).astype(np.float32)
    padded = np.pad(sound.astype(np.float64), 256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = [np.abs(np.fft.rfft(padded[at : at + 512] * window)) for at in range(0, 4_001, 353)]
    expected = np.log(np.stack(frames, axis=1) + 1e-7)
    found = log_magnitude(torch.from_numpy(sound)[None])[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def reference(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """The spectrogram in double precision, with a linear-phase filter from 7.3 to 8 kHz, as soxr's HQ has."""
    up, down, delay = 441, 320, 147
    taps = firwin(2 * down * delay + 1, 0.957 * 8_000, window=("kaiser", 14.0), fs=16_000 * up) * up
    samples = -(-len(sound) * up // down)
    resampled = upfirdn(taps, sound.astype(np.float64), up, down)[delay : delay + samples]
    padded = np.pad(np.tile(resampled, 3)[:66_150].clip(-1, 1), 256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = [np.abs(np.fft.rfft(padded[at : at + 512] * window)) for at in range(0, 66_151, 353)]
    return np.asarray(np.log(np.stack(frames, axis=1) + 1e-7))


def released(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """The spectrogram of the released recipe by librosa."""
    librosa = pytest.importorskip("librosa")
    resampled = np.tile(librosa.resample(sound, orig_sr=16_000, target_sr=22_050), 3)[:66_150].clip(-1, 1)
    return np.asarray(np.log(np.abs(librosa.stft(resampled, n_fft=512, hop_length=353)) + 1e-7))


def clips() -> dict[str, NDArray[np.float32]]:
    rng, t = np.random.default_rng(0), np.arange(32_000) / 16_000
    noise = rng.normal(0, 0.1, len(t))
    bursts = 3 * noise * np.exp(-8 * (t % 0.5))  # loud enough to be limited
    return {"noise": noise.astype(np.float32), "bursts": bursts.astype(np.float32)}


@pytest.mark.parametrize("expected", [reference, released])
@pytest.mark.parametrize("clip", ["noise", "bursts"])
def test_it_is_that_of_a_sharp_resampling(clip: str, expected: Callable[..., NDArray[np.float64]]) -> None:
    sound = clips()[clip]
    wanted, found = expected(sound), spectrogram(StftFrontend(), sound)
    assert np.abs(found - wanted).mean() < 0.05
    below = slice(0, 163)  # to 7 kHz, where no filter acts
    assert np.abs(found - wanted)[below].mean() < 1e-3
    earlier = spectrogram(StftFrontend(version=1), sound)
    assert np.abs(earlier - wanted)[188:].mean() > 4  # above 8 kHz


def spectrogram(frontend: StftFrontend, sound: NDArray[np.float32]) -> NDArray[np.float32]:
    return frontend.finish("audio", frontend.prepare("audio", torch.from_numpy(sound))[None])[0].numpy()


def test_what_exceeds_full_scale_is_limited() -> None:
    square = torch.ones(1_600).copysign(torch.sin(torch.arange(1_600) / 20))
    assert float(resample_sharply(square).abs().max()) == 1.0
    assert len(resample_sharply(torch.ones(1_601))) == 2_207  # 2,206.4, rounded up


def test_a_version_of_old_computes_what_it_did() -> None:
    newest = build_backbone("resnet", {"resize": "squash"}).frontend
    assert (version_of(newest), version_of(FbankFrontend())) == (2, 1)
    old, sound = with_version(newest, 1), torch.randn(8_000)
    assert version_of(old) == 1
    assert repr(old) != repr(newest)  # which the feature cache knows them by
    mirrored = torch.stft(
        repeat_to_length(resample(sound, 16_000, 22_050), 66_150), 512, 353, 512, torch.hann_window(512),
        return_complex=True,
    )  # fmt: skip
    found = old.finish("audio", old.prepare("audio", sound)[None])[0]
    torch.testing.assert_close(found, (mirrored.abs() + 1e-7).log())
    assert with_version(newest, 2) is newest


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
