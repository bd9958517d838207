"""Between encoded bytes and arrays: 16 kHz mono FLAC for sound, PNG for pictures that were changed."""

import io
from collections.abc import Iterable

import numpy as np
import soundfile
import soxr
from PIL import Image, UnidentifiedImageError

from avbuild.corruptions.registry import Pixels, Samples

SAMPLE_RATE = 16_000
FULL_SCALE = 32_768.0
LOUDEST = np.float32(32_767 / FULL_SCALE)  # 16 bits hold no +1.0


class Unreadable(Exception):
    """Bytes that do not decode, or decode to nothing; the message says why."""


def read_audio(data: bytes) -> Samples:
    """Any file that libsndfile reads, as 16 kHz mono.

    Returns float32 [samples], full scale 1.0, at least one sample.  Channels are averaged; a file that holds values
    beyond full scale (float formats do) is turned down as a whole.  Raises Unreadable.
    """
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise Unreadable(str(error).split(": ", 1)[-1].rstrip(".")) from error
    if samples.shape[0] == 0:
        raise Unreadable("holds no samples")
    if not np.isfinite(samples).all():
        raise Unreadable("holds NaN or infinite samples")
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ").astype(np.float32, copy=False)
    if mono.size == 0:  # a handful of samples at a high rate
        mono = np.zeros(1, np.float32)
    return quantise_audio(mono)[0]


def quantise_audio(audio: Samples) -> tuple[Samples, float]:
    """The same sound as 16 bits hold it, turned down as a whole where it would exceed full scale.

    audio: float32 [samples].  Returns float32 [samples] in [-1, 1) that survive FLAC exactly, and the gain used.
    """
    peak = np.abs(audio).max()
    gain = np.float32(1.0) if peak <= LOUDEST else LOUDEST / peak
    # a clip that already uses -1.0 exactly is representable: leave it alone
    if gain != 1.0 and audio.min() >= -1.0 and audio.max() <= LOUDEST:
        gain = np.float32(1.0)
    return np.rint(audio * gain * FULL_SCALE).astype(np.float32) / np.float32(FULL_SCALE), float(gain)


def decode_audio(data: bytes) -> Samples:
    """The `audio` column of a data set: 16 kHz mono FLAC to float32 [samples]."""
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    return np.asarray(samples, np.float32)


def encode_audio(audio: Samples) -> bytes:
    """float32 [samples] as quantise_audio left them, to 16 kHz mono 16-bit FLAC, without loss."""
    sink = io.BytesIO()
    soundfile.write(sink, np.rint(audio * FULL_SCALE).astype(np.int16), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return sink.getvalue()


def decode_image(data: bytes) -> Pixels:
    """Any picture that Pillow reads, to uint8 [height, width, 3]; the first frame if animated.  Raises Unreadable."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError as error:  # its message names an object in memory
        raise Unreadable("not a readable picture") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"not a readable picture ({error})") from error


def decode_video(frames: Iterable[bytes]) -> Pixels:
    """The `video` column of a data set: frames of one size, to uint8 [frames, height, width, 3].  Raises Unreadable."""
    return np.stack([decode_image(frame) for frame in frames])


def encode_image(image: Pixels) -> bytes:
    """uint8 [height, width, 3] to PNG, without loss."""
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, format="PNG", compress_level=1)
    return sink.getvalue()
