"""From an encoded video to the frames that a data set keeps. PyAV, which brings FFmpeg, is asked for only here."""

import io
from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from avbuild.errors import UserError
from avbuild.modalities.base import Pixels, Unreadable

if TYPE_CHECKING:
    import av

FPS = 1.0  # frames a second, where no one asks for more
CUT_SHORT = 1.0  # seconds: a file cut between two frames decodes without an error
LONGEST = 3_600  # seconds: what claims to be longer is a damaged file, not a clip


def require_pyav() -> ModuleType:
    """PyAV.  Raises UserError that names the extra where it is not installed."""
    try:
        import av
    except ImportError:
        raise UserError("reading videos needs PyAV: pip install 'avbuild[video]'") from None
    return av


def pyav_versions() -> dict[str, str]:
    """The versions that the frames' bytes depend on; empty where PyAV is not installed."""
    try:
        import av
    except ImportError:
        return {}
    parts = ("libavcodec", "libavformat", "libswscale")
    return {"av": version("av")} | {part: ".".join(map(str, av.library_versions[part])) for part in parts}


def read_frames(data: bytes, fps: float) -> Pixels:
    """Frames of a video, of any container and codec that FFmpeg reads: `fps` of a second, at least one.

    They are those shown (k + 1/2) / fps seconds from the start, k = 0, 1, ...; of a video that is over by then, the one
    shown in its middle.  Returns uint8 [frames, height, width, 3] at the video's own size.  Raises Unreadable.
    """
    av = require_pyav()
    try:
        with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise Unreadable("holds no video")
            shown = _decoded(container)
            times = _times(shown)
            declared = (container.duration or 0) / av.time_base  # of all that is in it, so the video may be shorter
            if declared - times[-1] > CUT_SHORT:
                raise Unreadable(f"its frames end after {float(times[-1]):.1f} s, but it declares {declared:.1f} s")
            return np.stack([_rgb(shown[index]) for index in _chosen(times, fps)])
    except (av.FFmpegError, ValueError) as error:  # a size that changes half way is a ValueError
        raise Unreadable(f"not a readable video ({getattr(error, 'strerror', None) or error})") from error


def _decoded(container: "av.container.InputContainer") -> list["av.VideoFrame"]:
    """All frames of the first video, as they are coded: half the bytes that RGB takes, of clips of seconds."""
    video, frames = container.streams.video[0], []
    for packet in container.demux():
        if packet.is_corrupt:  # FFmpeg passes over it: a file cut short would look like a short one
            raise Unreadable("damaged or cut short")
        if packet.stream.index == video.index:
            frames += video.decode(packet)
    if any(frame.is_corrupt for frame in frames):
        raise Unreadable("holds damaged frames")
    return frames


def _times(frames: Sequence["av.VideoFrame"]) -> list[Fraction]:
    """When each is shown, in seconds from the first."""
    times = [frame.pts * frame.time_base for frame in frames if frame.pts is not None and frame.time_base is not None]
    if not frames or len(times) < len(frames):
        raise Unreadable("holds no frames" if not frames else "its frames carry no times")
    if times != sorted(times) or times[-1] - times[0] > LONGEST:
        raise Unreadable(f"its frames carry impossible times, up to {float(times[-1]):.0f} s")
    return [time - times[0] for time in times]


def _chosen(times: Sequence[Fraction], fps: float) -> list[int]:
    """Return the frames shown at the wanted times; the last is shown as long as the others are on average."""
    end = times[-1] * len(times) / max(1, len(times) - 1)
    step = 1 / Fraction(str(fps))
    wanted = [(k + Fraction(1, 2)) * step for k in range(int(end / step) + 1)]
    wanted = [time for time in wanted if time < end] or [end / 2]
    return [max(index for index, time in enumerate(times) if time <= moment) for moment in wanted]


def _rgb(frame: "av.VideoFrame") -> Pixels:
    from av.video.reformatter import Interpolation

    # exact arithmetic: without these flags the bytes depend on the processor
    exact = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
    return np.ascontiguousarray(frame.reformat(format="rgb24", interpolation=exact).to_ndarray(), np.uint8)
