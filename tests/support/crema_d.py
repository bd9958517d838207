"""A small CREMA-D in real containers and codecs, encoded here."""

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

ACTORS = tuple(range(1001, 1011))
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
RATE = 10  # frames per second of the videos
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def moving_square(name: str, count: int, size: tuple[int, int] = (48, 64)) -> list[NDArray[np.uint8]]:
    """Return frames of a bright square that moves right, on a background that depends on the name."""
    seed = sum(map(ord, name))
    frames = []
    for k in range(count):
        frame = np.full((*size, 3), (seed % 90, 40, 60), np.uint8)
        frame[10:26, 2 * k : 2 * k + 16] = (240, 200, seed % 255)
        frames.append(frame)
    return frames


def encoded(frames: list[NDArray[np.uint8]], container: str = "flv", codec: str = "flv") -> bytes:
    """Return a video file of the frames, `RATE` per second."""
    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format=container) as file:
        stream = file.add_stream(codec, rate=Fraction(RATE))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
    return sink.getvalue()


def write_crema_d(root: Path, actors: tuple[int, ...] = ACTORS, seconds: float = 1.2) -> Path:
    """Write AudioWAV/ and VideoFlash/ with one clip of each emotion for every actor."""
    rng = np.random.default_rng(0)
    for folder in ("AudioWAV", "VideoFlash"):
        (root / folder).mkdir(parents=True)
    for actor in actors:
        for emotion in EMOTIONS:
            name = f"{actor}_IEO_{emotion}_{'X' if (actor, emotion) == (1001, 'SAD') else 'HI'}"
            audio = rng.uniform(-0.3, 0.3, 3_000).astype(np.float32)
            soundfile.write(root / "AudioWAV" / f"{name}.wav", audio, 16_000, subtype="PCM_16")
            frames = moving_square(name, round(seconds * RATE))
            (root / "VideoFlash" / f"{name}.flv").write_bytes(encoded(frames))
    return root
