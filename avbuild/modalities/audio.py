"""Audio: 16 kHz mono, stored as 16-bit FLAC."""

import io

import numpy as np
import soundfile
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from avbuild.modalities.audio_containers import container_problem
from avbuild.modalities.audio_flac import flac_problem
from avbuild.modalities.base import FILE, Modality, Samples, Unreadable

SAMPLE_RATE = 16_000
FULL_SCALE = 32_768.0
LOUDEST = np.float32(32_767 / FULL_SCALE)  # 16 bits hold no +1.0
RATES = (4_000, 768_000)  # hertz that a recording plausibly has
LONGEST = 3_600  # seconds: a file that claims more is damaged, or no clip
MOST_VALUES = 1 << 29  # decoded samples of all channels: 2 GiB
IMPLAUSIBLE_PEAK = 1e10  # 32-bit whole numbers stored as floats stay below
UNKNOWN_LENGTH = 1 << 62  # libsndfile's count where a header states none
BLOCK = 1 << 16  # samples read at a time


def read_audio(data: bytes) -> Samples:
    """Read any file that libsndfile reads, as 16 kHz mono.

    Channels are averaged; a file that holds values beyond full scale (float formats do) is attenuated as a whole.

    Returns float32 [samples], full scale 1.0, at least one sample.
    Raises Unreadable, also for a file that is damaged or cut short though libsndfile decodes what is left of it.
    """
    samples, rate = _decode_source(data)
    if problem := container_problem(data) or flac_problem(data, len(samples)):
        raise Unreadable(problem)
    if samples.shape[0] == 0:
        raise Unreadable("holds no samples")
    if not np.isfinite(samples).all():
        raise Unreadable("holds NaN or infinite samples")
    if (peak := float(np.abs(samples).max())) > IMPLAUSIBLE_PEAK:
        raise Unreadable(f"holds samples of {peak:.3g}, where full scale is 1")
    mono = samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="HQ").astype(np.float32, copy=False)
    if mono.size == 0:  # a handful of samples at a high rate
        mono = np.zeros(1, np.float32)
    return quantise_audio(mono)[0]


def _decode_source(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Decode within bounds of rate, length and size; a header may claim anything.

    Returns float32 [samples, channels] and the rate in hertz.
    """
    blocks: list[NDArray[np.float32]] = []
    known = True
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels = file.samplerate, file.channels
            if not RATES[0] <= rate <= RATES[1]:
                raise Unreadable(f"its sample rate is {rate:,} Hz, outside {RATES[0]:,} to {RATES[1]:,}")
            most = min(LONGEST * rate, MOST_VALUES // channels)
            known = file.frames < UNKNOWN_LENGTH
            if known and file.frames > most:
                raise Unreadable(
                    f"declares {file.frames / rate:,.0f} s of {channels} channels; {LONGEST:,} s are allowed"
                )
            count = 0
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
                count += len(block)
                if count > most:
                    raise Unreadable(f"holds more than {LONGEST:,} s")
            if known and count < file.frames:
                raise Unreadable(f"cut short: {count:,} of {file.frames:,} samples are there")
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        if not known:
            raise Unreadable("its header does not say how long it is; encode it again") from error
        raise Unreadable(str(error).split(": ", 1)[-1].rstrip(".")) from error
    return np.concatenate(blocks) if blocks else np.zeros((0, channels), np.float32), rate


def quantise_audio(audio: Samples) -> tuple[Samples, float]:
    """Round to 16 bits; attenuate as a whole where full scale would be exceeded.

    Args:
        audio: float32 [samples].

    Returns float32 [samples] in [-1, 1) that survive FLAC exactly, and the gain used.
    """
    peak = np.abs(audio).max()
    gain = np.float32(1.0) if peak <= LOUDEST else LOUDEST / peak
    # a clip that already uses -1.0 exactly is representable: leave it alone
    if gain != 1.0 and audio.min() >= -1.0 and audio.max() <= LOUDEST:
        gain = np.float32(1.0)
    return np.rint(audio * gain * FULL_SCALE).astype(np.float32) / np.float32(FULL_SCALE), float(gain)


def decode_audio(data: bytes) -> Samples:
    """Decode a cell of the `audio` column, 16 kHz mono FLAC, to float32 [samples]."""
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    return np.asarray(samples, np.float32)


def encode_audio(audio: Samples) -> bytes:
    """Encode quantised float32 [samples] as 16 kHz mono 16-bit FLAC, without loss."""
    sink = io.BytesIO()
    soundfile.write(sink, np.rint(audio * FULL_SCALE).astype(np.int16), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return sink.getvalue()


def fill_audio(audio: Samples, what: str, rng: Generator) -> Samples:
    """Return what replaces a missing clip; only its length is used.

    Args:
        audio: float32 [samples].
        what: zeros or mean (both silence), or noise (white, -20 dB of full scale).
        rng: read for noise alone.

    Returns float32 [samples].
    """
    if what == "noise":
        return np.float32(0.1) * rng.standard_normal(audio.shape, dtype=np.float32)
    return np.zeros_like(audio)


AUDIO = Modality(
    name="audio",
    noun="audio clip",
    family="audio",
    letter="A",
    visual=False,
    suffix=".flac",
    arrow_type=FILE,
    feature={"sampling_rate": SAMPLE_RATE, "_type": "Audio"},
    croissant_type="sc:AudioObject",
    description="16 kHz mono FLAC; null when missing",
    read=lambda data, _: read_audio(data),
    store=lambda data, _: [encode_audio(read_audio(data))],
    decode=lambda files: decode_audio(files[0]),
    encode=lambda audio: [encode_audio(audio)],
    fill_one=fill_audio,
    quantise=quantise_audio,
)
