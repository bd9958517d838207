"""Images and frames given as arrays or PIL images: checked, turned into pixels, and turned back."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from avbuild.api.arrays import Array, Restore, as_array
from avbuild.errors import UsageError
from avbuild.modalities.base import Pixels

GREY = ("1", "L", "LA", "I", "F")  # modes of PIL images with one channel, beside I;16 and its kind


def take_image(value: Any) -> tuple[Pixels, Restore]:
    """Return an image as pixels, and the function that turns pixels into the kind of image that was given.

    Args:
        value: NumPy array or PyTorch tensor, uint8 [height, width, 3]; or a PIL image in mode RGB.

    Returns uint8 [height, width, 3], and the function.
    Raises UsageError that says what is wrong with the image, and how to make it right.
    """
    if isinstance(value, Image.Image):
        _check_mode(value)
        return np.array(value), Image.fromarray
    array, to_kind = as_array(value, "image")
    _check_pixels(array, "image", frames=0)
    return np.ascontiguousarray(array), to_kind


def take_video(value: Any) -> tuple[Pixels, Restore]:
    """Return frames as pixels, and the function that turns pixels into the kind of frames that were given.

    Args:
        value: NumPy array or PyTorch tensor, uint8 [frames, height, width, 3]; or a list of images of one size, each as
            for `take_image`.

    Returns uint8 [frames, height, width, 3], and the function.
    Raises UsageError that says what is wrong with them, and how to make it right.
    """
    if isinstance(value, Sequence):
        return _take_frames(value)
    array, to_kind = as_array(value, "video")
    _check_pixels(array, "video", frames=1)
    return np.ascontiguousarray(array), to_kind


def _take_frames(frames: Sequence[Any]) -> tuple[Pixels, Restore]:
    if not frames:
        raise UsageError("video: holds no frames")
    taken = [take_image(frame) for frame in frames]
    sizes = {pixels.shape[:2] for pixels, _ in taken}
    if len(sizes) > 1:
        raise UsageError(f"video: frames of different sizes, {' and '.join(f'{h} x {w}' for h, w in sorted(sizes))}")
    rebuild: Callable[[Iterable[Any]], Any] = tuple if isinstance(frames, tuple) else list
    return np.stack([pixels for pixels, _ in taken]), lambda pixels: rebuild(
        restore(frame) for (_, restore), frame in zip(taken, pixels, strict=True)
    )


def _check_mode(image: Image.Image) -> None:
    if image.mode == "RGB" and min(image.size) > 0:
        return
    if image.mode == "RGB":
        raise UsageError(f"image: size {image.size} holds no pixels")
    grey = ", a grey image" if image.mode in GREY or image.mode.startswith("I;") else ""
    raise UsageError(f'image: a PIL image in mode {image.mode}{grey}; give RGB, such as image.convert("RGB")')


def _check_pixels(array: Array, what: str, frames: int) -> None:
    """Raise UsageError unless an array is uint8 [(frames,) height, width, 3]."""
    shape, wanted = list(array.shape), "[frames, height, width, 3]" if frames else "[height, width, 3]"
    if array.ndim == 2 + frames or (array.ndim == 3 + frames and 1 in (shape[-1], shape[frames])):
        raise UsageError(f"{what}: shape {shape} is a grey {what}; repeat its channel to get {wanted}")
    if array.ndim == 3 + frames and shape[-1] != 3 and shape[frames] in (3, 4):
        order = "(0, 2, 3, 1)" if frames else "(1, 2, 0)"
        raise UsageError(
            f"{what}: shape {shape} has its channels before height and width; give {wanted}, such as "
            f"np.transpose({what}, {order}), or {what}.permute{order} of a tensor"
        )
    if array.ndim != 3 + frames or shape[-1] != 3:
        alpha = ", so a channel of transparency" if array.ndim == 3 + frames and shape[-1] == 4 else ""
        raise UsageError(f"{what}: shape {shape}{alpha}; give {wanted}")
    if array.size == 0:
        raise UsageError(f"{what}: shape {shape} holds no pixels")
    if array.dtype != np.uint8:
        scaled = ", such as (255 * image).round() as uint8 for pixels from 0 to 1" if array.dtype.kind == "f" else ""
        raise UsageError(f"{what}: dtype {array.dtype}; give uint8 from 0 to 255{scaled}")
