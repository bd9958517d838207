"""Video: some frames a second, each stored as a PNG and corrupted as an image is."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from avbuild.modalities.base import FILE, Modality, Pixels
from avbuild.modalities.image import decode_image, encode_image, fill_image
from avbuild.modalities.video_frames import read_frames


def decode_video(frames: Iterable[bytes]) -> Pixels:
    """Decode the frames of one cell, all of one size, to uint8 [frames, height, width, 3].  Raises Unreadable."""
    return np.stack([decode_image(frame) for frame in frames])


def encode_video(video: Pixels) -> list[bytes]:
    """Encode every frame as PNG, without loss."""
    return [encode_image(frame) for frame in video]


VIDEO = Modality(
    name="video",
    noun="video",
    family="image",
    letter="V",
    visual=True,
    suffix=".png",
    arrow_type=pa.list_(FILE),
    feature={"feature": {"_type": "Image"}, "_type": "List"},
    croissant_type="sc:ImageObject",
    description="frames in order of time, encoded images; null when missing",
    read=read_frames,
    store=lambda data, fps: encode_video(read_frames(data, fps)),
    decode=decode_video,
    encode=encode_video,
    fill_one=fill_image,
    framewise=True,
)
