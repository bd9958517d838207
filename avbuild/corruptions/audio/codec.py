"""Encode and decode with lossy codecs, through libsndfile.

Encoders use floating-point arithmetic that depends on the processor. Identical bytes are therefore promised only for
the version of libsndfile that `build.json` records, on one kind of processor.
"""

import io

import numpy as np
import soundfile
from numpy.random import Generator

from avbuild.corruptions.registry import audio_corruption
from avbuild.modalities.base import Samples

RATE = 16_000
COMPRESSION = (0.6, 0.7, 0.8, 0.9, 1.0)


@audio_corruption(version=1, severities=COMPRESSION, within=(0.0, 1.0))
def opus(audio: Samples, compression: float, rng: Generator) -> Samples:
    """Encode and decode with Opus.

    Args:
        audio: float32 [samples].
        compression: 0 (256 kbit/s) to 1 (6 kbit/s), libsndfile's scale.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    return _round_trip(audio, "OGG", "OPUS", compression)


@audio_corruption(version=1, severities=COMPRESSION, within=(0.0, 1.0))
def vorbis(audio: Samples, compression: float, rng: Generator) -> Samples:
    """Encode and decode with Ogg Vorbis.

    Args:
        audio: float32 [samples].
        compression: 0 (best quality) to 1 (smallest file), libsndfile's scale.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    return _round_trip(audio, "OGG", "VORBIS", compression)


@audio_corruption(version=1, severities=(0.6, 0.7, 0.8, 0.9, 0.99), within=(0.0, 0.99))
def mp3(audio: Samples, compression: float, rng: Generator) -> Samples:
    """Encode and decode with MP3.

    Args:
        audio: float32 [samples].
        compression: 0 (largest file) to 1 (smallest file), libsndfile's scale.

    Returns float32 [samples].  Deterministic: `rng` is not used.
    """
    return _round_trip(audio, "MP3", "MPEG_LAYER_III", compression)


def _round_trip(audio: Samples, container: str, codec: str, compression: float) -> Samples:
    """Return the clip encoded and decoded, padded or cut to its original length."""
    sink = io.BytesIO()
    # encoders need a minimum of samples, and lossy decoding overshoots: half a second, and 6 dB of headroom
    padded = np.pad(audio, (0, max(0, RATE // 2 - audio.size)))
    with soundfile.SoundFile(sink, "w", RATE, 1, codec, format=container, compression_level=compression) as file:
        file.write(padded * np.float32(0.5))
    sink.seek(0)
    decoded, _ = soundfile.read(sink, dtype="float32")
    decoded = np.pad(decoded[: audio.size], (0, max(0, audio.size - decoded.size)))
    return np.asarray(decoded * np.float32(2.0), np.float32)
