"""Recognise the modality of a signal that is given as an object: a clip, an image, a video or a text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from avbuild.api.arrays import Restore, as_array, described
from avbuild.api.audio_arrays import take_audio
from avbuild.api.image_arrays import take_image, take_video
from avbuild.api.texts import take_text
from avbuild.errors import UsageError
from avbuild.modalities.base import Signal

Take = Callable[[Any], tuple[Signal, Restore]]
TAKE: Mapping[str, Take] = {"audio": take_audio, "image": take_image, "video": take_video, "text": take_text}


@dataclass(frozen=True)
class GivenSignal:
    """A signal that was given as an object.

    Attributes:
        modality: audio, image, video or text.
        signal: as the modality's functions take it.
        restore: turns a signal into the kind of object that was given.
    """

    modality: str
    signal: Signal
    restore: Restore


def take_signal(value: Any, rate: object = None) -> GivenSignal:
    """Return a signal with its modality, which follows from its type and shape; a string is a text, never a path.

    Args:
        value: audio, an image, a video or a text, as `take_audio`, `take_image`, `take_video` and `take_text` take it.
        rate: given for audio alone, which tells a clip of several channels from a grey image.

    Raises UsageError that says what is wrong with it.
    """
    modality = _modality(value, rate)
    signal, restore = TAKE[modality](value)
    return GivenSignal(modality, signal, restore)


def _modality(value: Any, rate: object) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, Image.Image):
        return "image"
    if isinstance(value, (list, tuple)) and value and not np.isscalar(value[0]):
        return "video"
    if isinstance(value, (bytes, list, tuple)) or not hasattr(value, "shape"):
        raise UsageError(
            f"{described(value)} is no signal; give a NumPy array, a PyTorch tensor, a PIL image, a list of images, or "
            "a text as str"
        )
    array, _ = as_array(value, "signal")
    by_axes = {
        1: "audio",
        2: "audio" if rate is not None or array.dtype != np.uint8 else "image",
        3: "image",
        4: "video",
    }
    if array.ndim not in by_axes:
        raise UsageError(
            f"signal: shape {list(array.shape)}; give audio [samples], an image [height, width, 3] or a video "
            "[frames, height, width, 3]"
        )
    return by_axes[array.ndim]
