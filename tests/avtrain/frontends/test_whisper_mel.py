"""Front ends against float64 references written from their formulas."""

import numpy as np
import torch

from avtrain.frontends.base import IMAGENET_MEAN, IMAGENET_STD, normalise_image
from avtrain.frontends.kaldi_fbank import FbankFrontend, log_filter_banks
from avtrain.frontends.whisper_mel import fit_length, log_mel


def slaney_filters() -> np.ndarray:  # type: ignore[type-arg]
    """[80, 201]: linear below 1 kHz, logarithmic above; triangles of unit area."""

    def to_hz(mel: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))

    top = 15 + 27 * np.log(8000 / 1000) / np.log(6.4)
    edges = to_hz(np.linspace(0, top, 82))
    bins = np.arange(201) * 16_000 / 400
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.clip(np.minimum(rising, falling), 0, None) * (2 / (edges[2:] - edges[:-2]))[:, None]


def test_log_mel_is_whispers_formula() -> None:
    rng = np.random.default_rng(0)
    clip = np.sin(np.arange(8000) * 0.1) * 0.3 + rng.normal(0, 0.01, 8000)
    padded = np.pad(clip, 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[start : start + 400] * window for start in range(0, 8000, 160)])
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    mel = np.log10(np.maximum(slaney_filters() @ power.T, 1e-10))
    expected = (np.maximum(mel, mel.max() - 8) + 4) / 4
    found = log_mel(torch.tensor(clip, dtype=torch.float32)[None])[0].numpy()
    assert found.shape == (80, 50)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_clips_in_a_batch_do_not_influence_each_other() -> None:
    quiet, loud = torch.randn(8000) * 1e-3, torch.randn(8000)
    together = log_mel(torch.stack([quiet, loud]))
    torch.testing.assert_close(together[0], log_mel(quiet[None])[0])


def test_a_clip_is_cut_or_filled_with_silence() -> None:
    clip = torch.arange(5.0)
    assert fit_length(clip, 3).tolist() == [0, 1, 2]
    assert fit_length(clip, 7).tolist() == [0, 1, 2, 3, 4, 0, 0]


def test_a_picture_keeps_its_middle_and_gets_imagenets_scale() -> None:
    pixels = torch.full((3, 40, 90), 128, dtype=torch.uint8)
    pixels[:, :, :20] = 0  # outside the central square
    normal = normalise_image(pixels, 20)
    assert normal.shape == (3, 20, 20)
    expected = (128 / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(normal[:, 10, 10], expected)


def kaldi_filters() -> np.ndarray:  # type: ignore[type-arg]
    """[128, 257]: triangles of equal width on the mel scale 1127 ln(1 + f / 700), 20 Hz to 8 kHz; none at 8 kHz."""

    def to_mel(hertz: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return 1127 * np.log(1 + hertz / 700)

    edges = np.linspace(to_mel(np.array(20.0)), to_mel(np.array(8000.0)), 130)
    bins = to_mel(np.arange(257) * 16_000 / 512)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    filters = np.clip(np.minimum(rising, falling), 0, None)
    filters[:, -1] = 0
    return filters


def test_filter_banks_are_kaldis_formula() -> None:
    rng = np.random.default_rng(1)
    clip = (np.sin(np.arange(8000) * 0.1) * 0.3 + rng.normal(0, 0.02, 8000) + 0.2).astype(np.float32)
    centred = clip.astype(np.float64) - clip.mean(dtype=np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)
    expected = []
    for start in range(0, 8000 - 400 + 1, 160):
        frame = centred[start : start + 400] - centred[start : start + 400].mean()
        emphasised = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(emphasised * window, 512)) ** 2
        expected.append(np.log(np.maximum(kaldi_filters() @ power, np.finfo(np.float32).eps)))
    found = log_filter_banks(torch.from_numpy(clip), most=1024)
    assert found.shape == (128, 48)
    # float32 against float64: a thousandth of a neper, 0.02 % of AudioSet's standard deviation
    np.testing.assert_allclose(found.numpy(), np.stack(expected, axis=1), atol=1e-3)
    torch.testing.assert_close(log_filter_banks(torch.from_numpy(clip), most=7), found[:, :7])


def test_padding_is_normalised_like_sound() -> None:
    clip = torch.randn(4000)
    prepared = FbankFrontend(audio_frames=64, image_size=16).prepare("audio", clip)
    banks = log_filter_banks(clip, 64)
    torch.testing.assert_close(prepared[:, :23], (banks + 5.081) / 4.4849)
    torch.testing.assert_close(prepared[:, 23:], torch.full((128, 41), 5.081 / 4.4849))
    raw = FbankFrontend(audio_frames=16, image_size=16, mean=0.0, std=1.0)
    torch.testing.assert_close(raw.prepare("audio", clip), banks[:, :16])
    assert raw.prepare("audio", clip[:100]).eq(0).all()  # too short for one frame
    visual = {"image": torch.zeros(20, 30, 3).byte(), "video": torch.zeros(5, 20, 30, 3).byte()}
    assert {m: raw.prepare(m, x).shape for m, x in {"audio": clip, **visual}.items()} == raw.shapes
