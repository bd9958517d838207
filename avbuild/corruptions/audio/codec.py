"""Lossy codecs, by libsndfile: what a low bit rate leaves of a clip.

Encoders compute in floating point as the processor likes: their bytes are promised for one version of libsndfile on
one kind of processor, which `build.json` records.
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
    """Through Opus, as calls and chats are.

    audio: float32 [samples].  compression: 0 (256 kbit/s) to 1 (6 kbit/s), libsndfile's scale.
    Returns float32 [samples].  Draws nothing.
    """
    return _through(audio, "OGG", "OPUS", compression)


@audio_corruption(version=1, severities=COMPRESSION, within=(0.0, 1.0))
def vorbis(audio: Samples, compression: float, rng: Generator) -> Samples:
    """Through Ogg Vorbis.

    audio: float32 [samples].  compression: 0 (best) to 1 (smallest), libsndfile's scale.  Returns float32 [samples].
    Draws nothing.
    """
    return _through(audio, "OGG", "VORBIS", compression)


@audio_corruption(version=1, severities=(0.6, 0.7, 0.8, 0.9, 0.99), within=(0.0, 0.99))
def mp3(audio: Samples, compression: float, rng: Generator) -> Samples:
    """Through MP3.

    audio: float32 [samples].  compression: 0 (largest) to 1 (smallest), libsndfile's scale.  Returns float32 [samples].
    Draws nothing.
    """
    return _through(audio, "MP3", "MPEG_LAYER_III", compression)


def _through(audio: Samples, container: str, codec: str, compression: float) -> Samples:
    """Encoded and decoded; encoders that pad or cut the end are made to fit."""
    sink = io.BytesIO()
    # an encoder needs some samples to work with, and full scale overshoots: half a second and head room are enough
    padded = np.pad(audio, (0, max(0, RATE // 2 - audio.size)))
    with soundfile.SoundFile(sink, "w", RATE, 1, codec, format=container, compression_level=compression) as file:
        file.write(padded * np.float32(0.5))
    sink.seek(0)
    decoded, _ = soundfile.read(sink, dtype="float32")
    decoded = np.pad(decoded[: audio.size], (0, max(0, audio.size - decoded.size)))
    return np.asarray(decoded * np.float32(2.0), np.float32)
