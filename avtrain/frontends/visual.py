"""A front end whose images and frames are resized and chosen as published code does, and whose audio is another's."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from avtrain.frontends.base import AnyFrontend, normalise_image, spread
from avtrain.frontends.traceable import TraceableFrontend
from avtrain.frontends.traceable_image import first_frames, normalise_images, spread_frames, squash_images

Resize = Literal["crop", "squash"]
FrameChoice = Literal["spread", "first"]


@dataclass(frozen=True)
class VisualFrontend:
    """Images and frames with other choices than the default; everything else is left to the front end inside.

    Attributes:
        inner: prepares audio, and defines the shapes.
        image_size: side of an image or frame in pixels.
        frames: number of frames taken of a video.
        resize: `crop` scales the shorter side and cuts the centre; `squash` scales both sides (bilinear, antialiased).
        frame_choice: `spread` evenly over the video, or the `first` ones.
    """

    inner: AnyFrontend
    image_size: int
    frames: int
    resize: Resize
    frame_choice: FrameChoice

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample's input, by modality."""
        return self.inner.shapes

    def prepare(self, modality: str, signal: Tensor) -> Tensor:
        """Normalise an image or video, or leave audio to the front end inside.  signal: as for `AnyFrontend.prepare`.

        A video of fewer frames than wanted repeats some.
        """
        if modality == "audio":
            return self.inner.prepare(modality, signal)
        if modality == "video":
            choose = spread if self.frame_choice == "spread" else first
            signal = signal[choose(len(signal), self.frames)]
        pixels = signal.movedim(-1, -3)
        if self.resize == "squash":
            pixels = squash(pixels, self.image_size)
        return normalise_image(pixels, self.image_size)

    def finish(self, modality: str, prepared: Tensor) -> Tensor:
        """Turn prepared signals, stacked to [B, ...], into inputs [B, *shape]."""
        return self.inner.finish(modality, prepared)

    def prepare_batch(self, modality: str, signals: Tensor, lengths: Tensor | None) -> Tensor:
        """Prepare a batch of raw signals.  signals, lengths: as for `TraceableFrontend.prepare_batch`."""
        if modality == "audio":
            assert isinstance(self.inner, TraceableFrontend)
            return self.inner.prepare_batch(modality, signals, lengths)
        if modality == "video":
            choose = spread_frames if self.frame_choice == "spread" else first_frames
            signals = signals.index_select(1, choose(signals.shape[1], self.frames))
        scale = squash_images if self.resize == "squash" else normalise_images
        return scale(signals.movedim(-1, -3), self.image_size)


def first(count: int, wanted: int) -> list[int]:
    """Return the indices of the first frames; the last one is repeated where there are fewer than wanted.

    Args:
        count: number of frames of the video, at least 1.
        wanted: number of indices.
    """
    return [min(index, count - 1) for index in range(wanted)]


def squash(pixels: Tensor, size: int) -> Tensor:
    """Scale both sides to `size`, whatever the shape.

    Args:
        pixels: uint8 [..., 3, H, W].
        size: side of the result in pixels.

    Returns:
        uint8 [..., 3, size, size].
    """
    images = pixels.reshape(-1, *pixels.shape[-3:])
    if pixels.shape[-2:] != (size, size):
        images = functional.interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return images.reshape(*pixels.shape[:-2], size, size)
