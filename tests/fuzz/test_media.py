"""Damaged audio and images: refused by name, or decoded to what they were; never a traceback or a hang."""

import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from PIL import Image

from avbuild.modalities.audio import LONGEST, SAMPLE_RATE, read_audio
from avbuild.modalities.base import Signal, Unreadable
from avbuild.modalities.image import decode_image
from tests.fuzz.damage import cases, no_hang

AUDIO = (
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_24"), ("AU", "PCM_16"),
    ("CAF", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
)  # fmt: skip
IMAGES = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
CHECKED = ("FLAC", "OGG")  # whose every byte of audio is under a checksum


def seed_of(name: str) -> int:
    return zlib.crc32(name.encode())


def encoded_audio(container: str, subtype: str) -> bytes:
    rng, sink = np.random.default_rng(0), io.BytesIO()
    tone = 0.4 * np.sin(np.arange(16_000) * 0.05)[:, None] * np.ones((1, 2)) + 0.05 * rng.standard_normal((16_000, 2))
    soundfile.write(sink, tone, SAMPLE_RATE, format=container, subtype=subtype)
    return sink.getvalue()


def encoded_image(kind: str) -> bytes:
    rng, sink = np.random.default_rng(1), io.BytesIO()
    pixels = (np.add.outer(np.arange(48) * 4, np.arange(64))[..., None] + rng.integers(0, 30, (48, 64, 3))).clip(0, 255)
    Image.fromarray(pixels.astype(np.uint8)).save(sink, kind)
    return sink.getvalue()


def result(read: Callable[[bytes], Signal], data: bytes) -> Signal | None:
    """What is read, or None for a file that is refused with a reason."""
    try:
        return read(data)
    except Unreadable as error:
        return None if str(error) else pytest.fail("refused without a reason")


@pytest.mark.parametrize(("container", "subtype"), AUDIO)
def test_damaged_audio(container: str, subtype: str) -> None:
    whole = encoded_audio(container, subtype)
    expected = read_audio(whole)
    for kind, data in cases(whole, seed_of(container + subtype)):
        with no_hang():
            got = result(read_audio, data)
        if got is None:
            continue
        assert got.ndim == 1
        assert 0 < got.size <= LONGEST * SAMPLE_RATE
        if container in CHECKED or kind == "cut_short":
            assert np.array_equal(got, expected), f"{kind}: other samples, and no error"


@pytest.mark.parametrize("kind", IMAGES)
def test_damaged_images(kind: str) -> None:
    whole = encoded_image(kind)
    expected = decode_image(whole)
    for damage, data in cases(whole, seed_of(kind)):
        with no_hang():
            got = result(decode_image, data)
        if got is None:
            continue
        assert got.ndim == 3
        assert got.shape[2] == 3
        if kind == "PNG" or damage == "cut_short":
            assert np.array_equal(got, expected), f"{damage}: other pixels, and no error"
