"""Reading audio: what is decoded is what was recorded, and whatever is not whole is refused by name."""

import io
import struct

import numpy as np
import pytest
import soundfile

from avbuild.modalities.audio import read_audio
from avbuild.modalities.audio_containers import container_problem, mpeg_frame_length, ogg_checksum
from avbuild.modalities.base import Unreadable

TONE = 0.4 * np.sin(np.arange(8_000) * 0.1)


def encoded(container: str, subtype: str, rate: int = 16_000, samples: np.ndarray = TONE) -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, samples, rate, format=container, subtype=subtype)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"),
     ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)  # fmt: skip
def test_a_file_that_lost_its_end_is_not_taken_for_a_shorter_one(container: str, subtype: str) -> None:
    whole = encoded(container, subtype)
    assert container_problem(whole) is None
    read_audio(whole)
    for length in (len(whole) // 2, len(whole) * 3 // 4, len(whole) - 5):
        with pytest.raises(Unreadable):
            read_audio(whole[:length])


def test_a_wav_that_was_piped_has_no_length_and_is_read() -> None:
    whole = bytearray(encoded("WAV", "PCM_16"))
    place = whole.index(b"data") + 4
    for size in (0xFFFF_FFFF, 0x7FFF_F000):
        whole[place : place + 4] = struct.pack("<I", size)
        assert read_audio(bytes(whole)).size == TONE.size


def test_flac_whose_samples_do_not_have_its_md5_is_damaged() -> None:
    whole = bytearray(encoded("FLAC", "PCM_16"))
    whole[26] ^= 1  # of the MD5 in STREAMINFO
    with pytest.raises(Unreadable, match="damaged: its samples do not have the MD5"):
        read_audio(bytes(whole))
    whole[26:42] = bytes(16)  # no MD5 was noted
    assert read_audio(bytes(whole)).size == TONE.size


@pytest.mark.parametrize("rate", [1, 10, 3_999, 800_000])
def test_an_implausible_rate_is_refused(rate: int) -> None:
    wav = bytearray(encoded("WAV", "PCM_16"))
    wav[24:28] = struct.pack("<I", rate)
    with pytest.raises(Unreadable, match=f"its sample rate is {rate:,} Hz, outside 4,000 to 768,000"):
        read_audio(bytes(wav))


def test_an_amplitude_that_no_recording_has_is_refused_and_unscaled_integers_are_attenuated() -> None:
    with pytest.raises(Unreadable, match="holds samples of 3e"):
        read_audio(encoded("WAV", "FLOAT", samples=np.full(100, 3e38, np.float32)))
    loud = read_audio(encoded("WAV", "FLOAT", samples=(TONE * 32_768).astype(np.float32)))
    assert np.abs(loud).max() == pytest.approx(1, abs=1e-3)


def test_a_header_that_claims_weeks_is_refused_before_memory_is_asked_for() -> None:
    flac = bytearray(encoded("FLAC", "PCM_16"))
    flac[21] = flac[21] & 0xF0 | 8  # 2^35 samples
    with pytest.raises(Unreadable, match="3,600 s are allowed"):
        read_audio(bytes(flac))


def test_oggs_checksum_is_that_of_its_specification() -> None:
    def plain(data: bytes) -> int:
        register = 0
        for byte in data:
            register ^= byte << 24
            for _ in range(8):
                register = (register << 1 ^ (0x04C11DB7 if register & 1 << 31 else 0)) & 0xFFFF_FFFF
        return register

    for data in (b"", b"OggS", bytes(range(256)), np.random.default_rng(0).bytes(999)):
        assert ogg_checksum(data) == plain(data)


def test_lengths_of_mpeg_frames_are_those_of_the_standard() -> None:
    assert mpeg_frame_length(b"\xff\xfb\x90\x00") == 417  # MPEG 1 layer III, 128 kbit/s, 44.1 kHz
    assert mpeg_frame_length(b"\xff\xfb\x92\x00") == 418  # with padding
    assert mpeg_frame_length(b"\xff\xf3\x48\x00") == 144  # MPEG 2 layer III, 32 kbit/s, 16 kHz
    assert mpeg_frame_length(b"abcd") is None
