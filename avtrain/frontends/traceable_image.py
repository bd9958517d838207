"""Resizing and normalisation of images of any size, and the choice of frames, by operations that can be exported."""

from collections.abc import Callable

import torch
from torch import Tensor

from avtrain.frontends.base import IMAGENET_MEAN, IMAGENET_STD


def prepare_visual_batch(modality: str, signals: Tensor, size: int, frames: int) -> Tensor:
    """Prepare images, or some frames of videos, as `prepare_visual` does one of them.

    Args:
        modality: `image` or `video`.
        signals: uint8 [B, H, W, 3], or [B, F, H, W, 3].
        size: side of the result in pixels.
        frames: number of frames to take of a video.

    Returns:
        float32 [B, 3, size, size], or [B, frames, 3, size, size].
    """
    if modality == "video":
        signals = signals.index_select(1, spread_frames(signals.shape[1], frames))
    return normalise_images(signals.movedim(-1, -3), size)


def spread_frames(count: int, wanted: int) -> Tensor:
    """Return what `spread` returns, for any count, as int64 [wanted]."""
    return (2 * torch.arange(wanted) + 1) * count // (2 * wanted)


def first_frames(count: int, wanted: int) -> Tensor:
    """Return the indices of the first frames, the last one repeated, for any count, as int64 [wanted]."""
    return torch.arange(wanted).clamp(max=count - 1)


def normalise_images(pixels: Tensor, size: int) -> Tensor:
    """Scale, crop and normalise as `normalise_image` does, for images of any height and width.

    The result is that of PyTorch's own scaling, to a rounding of pixels at most.

    Args:
        pixels: uint8 [..., 3, H, W].
        size: side of the result in pixels.

    Returns:
        float32 [..., 3, size, size].
    """
    height, width = (_as_tensor(side) for side in pixels.shape[-2:])
    rows = _crop_matrix(height, width, pixels.shape[-2], size)
    columns = _crop_matrix(width, height, pixels.shape[-1], size)
    return _normalised(_resampled(pixels, rows, columns))


def squash_images(pixels: Tensor, size: int) -> Tensor:
    """Scale both sides to `size` and normalise, as `squash` and `normalise_image` do, for images of any size.

    Args:
        pixels: uint8 [..., 3, H, W].
        size: side of the result in pixels.

    Returns:
        float32 [..., 3, size, size].
    """
    rows, columns = (_resize_matrix(_as_tensor(n) / size, _from(0, size), n, _triangle) for n in pixels.shape[-2:])
    return _normalised(_resampled(pixels, rows, columns))


def _resampled(pixels: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Scale both axes; PyTorch scales along rows first, and rounds to 8 bits in between."""
    across = _rounded(pixels.double() @ columns.T)
    return _rounded(rows @ across).to(torch.float32)


def _rounded(values: Tensor) -> Tensor:
    """Round to 8 bits, a half upwards."""
    return (values + 0.5).floor().clamp(0, 255)


def _whole_numbers(weights: Tensor) -> Tensor:
    """Round weights to multiples of a power of two, as PyTorch does to compute in 16 bits; sums are then exact."""
    digits = ((32_767.5 / weights.max()).log2().ceil() - 1).clamp(max=22)
    unit = torch.pow(2.0, digits)
    return weights.sign() * (weights.abs() * unit + 0.5).floor() / unit


def _normalised(scaled: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (scaled / 255.0 - mean) / std


def _as_tensor(side: int) -> Tensor:
    return torch.full((), side, dtype=torch.float64)


def _from(first: Tensor | int, size: int) -> Tensor:
    return first + torch.arange(size, dtype=torch.float64)


def _crop_matrix(side: Tensor, other: Tensor, count: int, size: int) -> Tensor:
    """Return the weights with which the pixels of one axis make those of the scaled and cropped one.

    Args:
        side: number of pixels on this axis, as a scalar tensor.
        other: number of pixels on the other axis.
        count: number of pixels on this axis.
        size: number of pixels wanted.

    Returns:
        float64 [size, count].
    """
    longer = (size * torch.maximum(side, other) / torch.minimum(side, other)).floor()
    scaled = torch.where(side > other, longer, float(size))
    first = ((scaled - size) / 2).round()
    # the largest weight, on which the rounding of all depends, may stand at the edge that is cut off
    wanted = torch.cat([_from(first, size), _from(0, size)])
    return _resize_matrix(side / scaled, wanted, count, _cubic)[:size]


def _resize_matrix(scale: Tensor, wanted: Tensor, count: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the weights of an antialiased resize, as `torch.nn.functional.interpolate` has them for 8 bits.

    Args:
        scale: number of pixels for each one of the result, a scalar tensor.
        wanted: positions in the result, [size].
        count: number of pixels.
        kernel: of the interpolation.

    Returns:
        float64 [size, count].
    """
    centres = scale * (wanted + 0.5)
    distance = torch.arange(count, dtype=torch.float64)[None] + 0.5 - centres[:, None]
    weights = kernel(distance / scale.clamp(min=1.0))
    return _whole_numbers(weights / weights.sum(dim=1, keepdim=True))


def _triangle(x: Tensor) -> Tensor:
    """Return the kernel of bilinear interpolation."""
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    """Return Keys' cubic kernel with a = -0.5.  Keys, IEEE TASSP 1981."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
