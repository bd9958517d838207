"""Whether an audio file is whole.  libsndfile decodes what is left of a damaged file without a word; its container says
how much there should be.

Each check takes the file's bytes and returns what is wrong with them, or None.
"""

import struct
import zlib
from collections.abc import Callable, Iterator

UNKNOWN_FROM = 0x7FFF_0000  # a 32-bit size that writers to a pipe leave, since they do not know the length yet
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each byte with its bits turned round

Check = Callable[[bytes], str | None]


def container_problem(data: bytes) -> str | None:
    """Return what is wrong with the container of an encoded audio file; None for a whole one, or an unknown kind."""
    start = after_id3(data)
    return next((check(data) for magic, check in CHECKS if data.startswith(magic, start)), None)


def after_id3(data: bytes) -> int:
    """Return where the content begins behind an ID3v2 tag, if there is one."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = (data[6] & 127) << 21 | (data[7] & 127) << 14 | (data[8] & 127) << 7 | data[9] & 127
    return 10 + size + (10 if data[5] & 16 else 0)


def wav_problem(data: bytes) -> str | None:
    """RIFF, RIFX and RF64: the `data` chunk is as long as its header says."""
    order = ">" if data.startswith(b"RIFX") else "<"
    long_size = None
    for name, start, size in _chunks(data, 12, order):
        if name == b"ds64" and start + 16 <= len(data):
            long_size = struct.unpack_from("<Q", data, start + 8)[0]
        if name == b"data":
            if size >= UNKNOWN_FROM:
                return None if long_size is None else _cut(start, long_size, len(data))
            return _cut(start, size, len(data))
    return "damaged: it has no data chunk"


def aiff_problem(data: bytes) -> str | None:
    """AIFF and AIFC: the `SSND` chunk is as long as its header says."""
    for name, start, size in _chunks(data, 12, ">"):
        if name == b"SSND":
            return _cut(start, size, len(data))
    return "damaged: it has no SSND chunk"


def au_problem(data: bytes) -> str | None:
    """Sun's AU: as long as its header says."""
    if len(data) < 24:
        return "cut short: its header is not whole"
    start, size = struct.unpack_from(">II", data, 4)
    return None if size >= UNKNOWN_FROM else _cut(start, size, len(data))


def caf_problem(data: bytes) -> str | None:
    """Apple's CAF: the `data` chunk is as long as its header says."""
    place = 8
    while place + 12 <= len(data):
        name, size = data[place : place + 4], struct.unpack_from(">q", data, place + 4)[0]
        if name == b"data":
            return None if size < 0 else _cut(place + 12, size, len(data))
        place += 12 + max(0, size)
    return "damaged: it has no data chunk"


def w64_problem(data: bytes) -> str | None:
    """Sony's W64: the `data` chunk is as long as its header says."""
    place = 40
    while place + 24 <= len(data):
        name, size = data[place : place + 4], struct.unpack_from("<Q", data, place + 16)[0]
        if name == b"data":
            return _cut(place + 24, size - 24, len(data))
        place += max(24, size + -size % 8)
    return "damaged: it has no data chunk"


def ogg_problem(data: bytes) -> str | None:
    """Ogg (Vorbis, Opus, FLAC): every page is there, in order, undamaged, and the last ends its stream."""
    place = 0
    expected: dict[int, int] = {}  # stream -> number of its next page
    ended: dict[int, bool] = {}
    while place < len(data):
        if data[place : place + 4] != b"OggS" or place + 27 > len(data):
            return f"damaged: no Ogg page at byte {place:,}"
        flags = data[place + 5]
        serial, number, checksum = struct.unpack_from("<III", data, place + 14)
        table = data[place + 27 : place + 27 + data[place + 26]]
        end = place + 27 + data[place + 26] + sum(table)
        if end > len(data):
            return f"cut short: its last Ogg page lacks {end - len(data):,} bytes"
        page = data[place : place + 22] + bytes(4) + data[place + 26 : end]
        if ogg_checksum(page) != checksum or number != expected.get(serial, number):
            return f"damaged: the Ogg page at byte {place:,} is not the one that was written"
        expected[serial], ended[serial], place = number + 1, bool(flags & 4), end
    return None if all(ended.values()) else "cut short: its last Ogg page does not end the stream"


def ogg_checksum(page: bytes) -> int:
    """Return Ogg's CRC of a page whose own checksum is zero.

    It is zlib's CRC with bits in the other order, starting at 0 and not inverted at the end.
    """
    crc = zlib.crc32(page.translate(REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{crc:032b}"[::-1], 2)


def mp3_problem(data: bytes) -> str | None:
    """MPEG audio: frame follows frame to the end, and there are as many as a Xing or Info header says."""
    place, first, frames, declared = after_id3(data), True, 0, None
    end = _before_tags(data)
    while place < end:
        length = mpeg_frame_length(data[place : place + 4])
        if length is None:
            if first:
                return None  # free format, or padding before the first frame: nothing to hold it against
            rest = data[place:end]
            return None if not rest.strip(b"\0") else f"damaged: no MPEG frame at byte {place:,}"
        if place + length > end:
            return f"cut short: its last frame lacks {place + length - end:,} bytes"
        if first:
            declared = _declared_frames(data[place : place + length])
        frames, first, place = frames + 1, False, place + length
    if declared is not None and frames - 1 < declared:
        return f"cut short: {frames - 1:,} of {declared:,} frames are there"
    return None


def mpeg_frame_length(header: bytes) -> int | None:
    """Return the bytes of an MPEG audio frame from its four-byte header; None where it is none, or of free format."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)  # version 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    hertz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    kilobits = BITRATES[(version == 3, layer)][bitrate - 1]
    if layer == 1:
        return (12_000 * kilobits // hertz + padding) * 4
    slots = 72_000 if layer == 3 and version != 3 else 144_000
    return slots * kilobits // hertz + padding


BITRATES = {  # (MPEG 1, layer) -> kbit/s by index
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _declared_frames(frame: bytes) -> int | None:
    """Return the frames that a Xing, Info or VBRI header in the first frame declares."""
    for magic in (b"Xing", b"Info"):
        place = frame.find(magic, 4, 64)
        if place >= 0 and len(frame) >= place + 12 and frame[place + 7] & 1:
            return int(struct.unpack_from(">I", frame, place + 8)[0])
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return int(struct.unpack_from(">I", frame, 50)[0])
    return None


def _before_tags(data: bytes) -> int:
    """Return where the content ends before ID3v1, Lyrics3 and APE tags."""
    end = len(data)
    if data[end - 128 : end - 125] == b"TAG":
        end -= 128
    if data[end - 9 : end] == b"LYRICS200" and data[end - 15 : end - 9].isdigit():
        end -= 15 + int(data[end - 15 : end - 9])
    if data[end - 32 : end - 24] == b"APETAGEX":
        size, flags = struct.unpack_from("<I4xI", data, end - 20)
        end -= size + (32 if flags & 1 << 31 else 0)
    return max(0, end)


def _chunks(data: bytes, place: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and declared size of each chunk of a RIFF-like file."""
    while place + 8 <= len(data):
        size = struct.unpack_from(f"{order}I", data, place + 4)[0]
        yield data[place : place + 4], place + 8, size
        place += 8 + size + size % 2


def _cut(start: int, size: int, length: int) -> str | None:
    there = length - start
    return (
        None
        if there >= size
        else f"cut short: its header declares {size:,} bytes of audio, {max(0, there):,} are there"
    )


CHECKS: tuple[tuple[bytes, Check], ...] = (
    (b"RIFF", wav_problem),
    (b"RIFX", wav_problem),
    (b"RF64", wav_problem),
    (b"FORM", aiff_problem),
    (b".snd", au_problem),
    (b"caff", caf_problem),
    (b"riff", w64_problem),
    (b"OggS", ogg_problem),
    (b"\xff", mp3_problem),
)
