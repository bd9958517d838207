"""A spectrogram to look at: decibels over mel-spaced frequencies, as colours."""

import numpy as np
from numpy.typing import NDArray

from avbuild.modalities.base import Pixels, Samples

RATE = 16_000
WINDOW = 512
FLOOR_DB = -80.0
# black, violet, red, yellow, white: dark to light without a jump, so that it prints in grey too
COLOURS = np.array([(4, 4, 20), (70, 20, 110), (180, 45, 95), (245, 120, 60), (252, 210, 110), (255, 255, 235)])


def spectrogram(audio: Samples, height: int = 96, width: int = 224) -> Pixels:
    """A clip as a picture: time to the right, 60 Hz to 8 kHz upwards on a mel scale, 80 dB from black to white.

    audio: float32 [samples].  Returns uint8 [height, width, 3].  0 dB is a full-scale tone.
    """
    if audio.size < WINDOW:
        audio = np.pad(audio, (0, WINDOW - audio.size))
    starts = np.linspace(0, audio.size - WINDOW, width).astype(np.intp)
    frames = np.lib.stride_tricks.sliding_window_view(audio, WINDOW)[starts] * np.hanning(WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)) * (4 / WINDOW))
    bands = _bands(height) @ power.T
    loudness = np.clip(10 * np.log10(np.maximum(bands, 1e-12)), FLOOR_DB, 0.0)
    return _coloured(1 - loudness[::-1] / FLOOR_DB)


def _bands(count: int) -> NDArray[np.float64]:
    """Each row weights the bins around one frequency, at least the nearest.  [count, WINDOW // 2 + 1]"""
    lowest, highest = (float(2595 * np.log10(1 + f / 700)) for f in (60, 8000))
    mel = np.linspace(lowest, highest, count + 2)
    edges = 700 * (10 ** (mel / 2595) - 1) / (RATE / WINDOW)
    bins = np.arange(WINDOW // 2 + 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (bins - low) / np.maximum(centre - low, 1.0), (high - bins) / np.maximum(high - centre, 1.0)
    weights = np.maximum(0.0, np.minimum(rise, fall))
    weights[np.arange(count), np.rint(centre[:, 0]).astype(np.intp)] += 1e-9
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _coloured(values: NDArray[np.float64]) -> Pixels:
    """0 to 1 as colours.  [H, W] to uint8 [H, W, 3]"""
    stops = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, stops, COLOURS[:, channel]) for channel in range(3)], axis=-1).astype(np.uint8)
