"""Whether a FLAC file is what its encoder wrote: by the count, rate and MD5 in its header, which libsndfile ignores."""

import hashlib
import io

import numpy as np
import soundfile

from avbuild.modalities.audio_containers import after_id3

FLAC_RATES = dict(
    enumerate((88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000), 1)
)


def flac_problem(data: bytes, samples: int) -> str | None:
    """Return what keeps a FLAC file from being what its encoder wrote, by the count and MD5 in its header.

    Args:
        data: an encoded file of any kind; others than FLAC pass.
        samples: how many were decoded of each channel.
    """
    start = after_id3(data)
    header = data[start + 8 : start + 42]
    if data[start : start + 4] != b"fLaC" or len(header) < 34:
        return None
    bits = ((header[12] & 1) << 4 | header[13] >> 4) + 1
    declared = (header[13] & 15) << 32 | int.from_bytes(header[14:18], "big")
    if declared > samples:
        return f"cut short: {samples:,} of {declared:,} samples are there"
    if (rate := _rate_of_first_frame(data, start)) and rate != header[10] << 12 | header[11] << 4 | header[12] >> 4:
        return f"damaged: its header and its frames ({rate:,} Hz) state different sample rates"
    if header[18:] == bytes(16):  # the encoder noted none
        return None
    values, _ = soundfile.read(io.BytesIO(data), dtype="int32", always_2d=True)
    width = -(-bits // 8)
    packed = (values >> (32 - bits)).astype("<i4").reshape(-1, 1).view(np.uint8)[:, :width]
    if hashlib.md5(packed.tobytes(), usedforsecurity=False).digest() != header[18:]:
        return "damaged: its samples do not have the MD5 in its header"
    return None


def _rate_of_first_frame(data: bytes, start: int) -> int | None:
    """Return the sample rate that the first FLAC frame states; None where it leaves that to the header."""
    place, last = start + 4, False
    while not last and place + 4 <= len(data):
        last, size = bool(data[place] & 128), int.from_bytes(data[place + 1 : place + 4], "big")
        place += 4 + size
    return (
        FLAC_RATES.get(data[place + 2] & 15) if data[place : place + 1] == b"\xff" and place + 2 < len(data) else None
    )
