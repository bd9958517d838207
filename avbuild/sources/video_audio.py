"""The audio track of a video file, as a source of audio."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from avbuild.modalities.video_frames import require_pyav


@dataclass(frozen=True, slots=True)
class AudioOfVideo:
    """The first audio track of a video: decoded by FFmpeg, and read as WAV of its own rate and channels."""

    path: str

    @property
    def name(self) -> str:
        return self.path

    def read(self) -> bytes:
        av = require_pyav()
        data = Path(self.path).read_bytes()
        try:
            with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
                if not container.streams.audio:
                    raise OSError("it has no audio track")
                track = container.streams.audio[0]
                blocks, rate = [], track.rate
                resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=rate)
                for packet in container.demux(track):
                    if packet.is_corrupt:
                        raise OSError("its audio track is damaged or cut short")
                    for frame in packet.decode():
                        blocks += [part.to_ndarray() for part in resampler.resample(frame)]
        except (av.FFmpegError, ValueError) as error:
            raise OSError(f"its audio track is not readable ({getattr(error, 'strerror', None) or error})") from error
        if not blocks:
            raise OSError("its audio track is empty")
        sink = io.BytesIO()
        soundfile.write(sink, np.concatenate(blocks, axis=1).T, rate, format="WAV", subtype="FLOAT")
        return sink.getvalue()
