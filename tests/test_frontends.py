"""Front ends against float64 references written from their formulas."""

import numpy as np
import torch

from avtrain.frontends import IMAGENET_MEAN, IMAGENET_STD, fit_length, log_mel, normalise_picture


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
    normal = normalise_picture(pixels, 20)
    assert normal.shape == (3, 20, 20)
    expected = (128 / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(normal[:, 10, 10], expected)
