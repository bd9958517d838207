"""Decoding images: upright, scaled by their mode, on white where transparent; the same in stock `datasets`."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avbuild.modalities.base import Unreadable
from avbuild.modalities.image import decode_image, store_image

RAMP = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def test_orientation_is_applied_as_stock_datasets_does(tmp_path: Path) -> None:
    from datasets import Dataset, Features
    from datasets import Image as ImageFeature

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = saved(Image.fromarray(RAMP), exif=exif)
        assert store_image(data) == [data]  # the source's own bytes, which mean the same there
        rows = Dataset.from_dict({"image": [{"bytes": data, "path": None}]}, Features({"image": ImageFeature()}))
        assert np.array_equal(decode_image(data), np.asarray(rows[0]["image"].convert("RGB"))), orientation


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    grey = (np.arange(48).reshape(6, 8) * 1_300).astype(np.uint16)
    data = saved(Image.fromarray(grey))
    expected = np.rint(grey / 257).astype(np.uint8)
    assert np.array_equal(decode_image(data)[..., 0], expected)
    (stored,) = store_image(data)
    with Image.open(io.BytesIO(stored)) as again:  # whatever reads it sees the same
        assert again.mode == "RGB"
        assert np.array_equal(np.asarray(again)[..., 1], expected)


@pytest.mark.parametrize("most", [1.0, 255.0])
def test_float_pixels_are_scaled_by_their_range(most: float) -> None:
    grey = np.linspace(0, most, 48, dtype=np.float32).reshape(6, 8)
    assert np.array_equal(
        decode_image(saved(Image.fromarray(grey), "TIFF"))[..., 2], np.rint(grey * (255 / most)).astype(np.uint8)
    )


@pytest.mark.parametrize("bad", [-1.0, 300.0, np.nan])
def test_float_pixels_of_no_known_scale_are_refused(bad: float) -> None:
    grey = np.full((6, 8), 0.5, np.float32)
    grey[2, 3] = bad
    with pytest.raises(Unreadable, match="float pixels from"):
        decode_image(saved(Image.fromarray(grey), "TIFF"))


def test_what_is_transparent_is_white() -> None:
    drawing = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    drawing.putpixel((1, 1), (0, 0, 255, 255))
    data = saved(drawing)
    assert decode_image(data)[0, 0].tolist() == [255, 255, 255]
    assert decode_image(data)[1, 1].tolist() == [0, 0, 255]
    with Image.open(io.BytesIO(store_image(data)[0])) as stored:
        assert stored.mode == "RGB"
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert decode_image(saved(palette, transparency=0))[0, 0].tolist() == [255, 255, 255]


def test_a_png_whose_pixels_do_not_have_its_checksum_is_damaged() -> None:
    data = bytearray(saved(Image.fromarray(RAMP), compress_level=0))
    data[data.index(b"IDAT") + 20] ^= 1
    with pytest.raises(Unreadable, match="its IDAT chunk at byte 33 is damaged"):
        decode_image(bytes(data))
