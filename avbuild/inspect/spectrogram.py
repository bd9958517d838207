"""Draw a spectrogram: decibels over mel-spaced frequencies, as colours."""

import numpy as np
from numpy.typing import NDArray

from avbuild.modalities.base import Pixels, Samples

RATE = 16_000  # Hz
WINDOW = 512  # samples
FLOOR_DB = -80.0
# black, violet, red, yellow, white: brightness rises steadily, so that a print in grey is readable too
COLOURS = np.array([(4, 4, 20), (70, 20, 110), (180, 45, 95), (245, 120, 60), (252, 210, 110), (255, 255, 235)])


def spectrogram(audio: Samples, height: int = 96, width: int = 224) -> Pixels:
    """Draw the mel spectrogram of a clip: time to the right, 60 Hz to 8 kHz upwards, 80 dB from black to white.

    Args:
        audio: float32 [samples] at 16 kHz, full scale 1.0, which is 0 dB for a tone.
        height: pixels, which is the number of mel bands.
        width: pixels, which is the number of frames.

    Returns uint8 [height, width, 3].
    """
    if audio.size < WINDOW:
        audio = np.pad(audio, (0, WINDOW - audio.size))
    starts = np.linspace(0, audio.size - WINDOW, width).astype(np.intp)
    frames = np.lib.stride_tricks.sliding_window_view(audio, WINDOW)[starts] * np.hanning(WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)) * (4 / WINDOW))
    bands = _mel_filters(height) @ power.T
    decibels = np.clip(10 * np.log10(np.maximum(bands, 1e-12)), FLOOR_DB, 0.0)
    return _to_colours(1 - decibels[::-1] / FLOOR_DB)


def _mel_filters(count: int) -> NDArray[np.float64]:
    """Return triangular filters [count, WINDOW // 2 + 1]; each has weight at least on the bin nearest its centre."""
    lowest, highest = (float(2595 * np.log10(1 + f / 700)) for f in (60, 8000))
    mel = np.linspace(lowest, highest, count + 2)
    edges = 700 * (10 ** (mel / 2595) - 1) / (RATE / WINDOW)
    bins = np.arange(WINDOW // 2 + 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (bins - low) / np.maximum(centre - low, 1.0), (high - bins) / np.maximum(high - centre, 1.0)
    weights = np.maximum(0.0, np.minimum(rise, fall))
    weights[np.arange(count), np.rint(centre[:, 0]).astype(np.intp)] += 1e-9
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _to_colours(values: NDArray[np.float64]) -> Pixels:
    """Convert values from 0 to 1 [H, W] to colours, uint8 [H, W, 3]."""
    stops = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, stops, COLOURS[:, channel]) for channel in range(3)], axis=-1).astype(np.uint8)
