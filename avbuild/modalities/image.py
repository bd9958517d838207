"""Images: a source's own bytes while clean, PNG once corrupted."""

import io
import struct
import warnings
import zlib

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from avbuild.modalities.base import FILE, Modality, Pixels, Unreadable

IMAGENET_MEAN = (124, 116, 104)
PNG = b"\x89PNG\r\n\x1a\n"
PLAIN_MODES = ("1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "HSV")  # that convert("RGB") alone makes RGB of
# what Pillow's decoders raise for damaged files
DAMAGED = (
    OSError, ValueError, SyntaxError, LookupError, ArithmeticError, TypeError, AttributeError, EOFError, RuntimeError,
    MemoryError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip


def decode_image(data: bytes) -> Pixels:
    """Decode any image that Pillow reads, upright, to uint8 [height, width, 3]; the first frame if animated.

    EXIF orientation is applied, as `datasets` and browsers do.  16-bit grey and float pixels from 0 to 1 are scaled to
    8 bits; what is transparent is laid on white.  Raises Unreadable, also where the scale of the pixels is not known.
    """
    if problem := png_problem(data):
        raise Unreadable(f"not a readable picture ({problem})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large, but within Pillow's bound
            with Image.open(io.BytesIO(data)) as image:
                return np.array(to_rgb(ImageOps.exif_transpose(image)))
    except UnidentifiedImageError as error:  # its message names an object in memory
        raise Unreadable("not a readable picture") from error
    except DAMAGED as error:
        raise Unreadable(f"not a readable picture ({error})") from error


def png_problem(data: bytes) -> str | None:
    """Return what is wrong with the chunks of a PNG, whose checksums Pillow passes over; None for any other format."""
    if not data.startswith(PNG):
        return None
    place = len(PNG)
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        name, end = data[place + 4 : place + 8], place + 12 + size
        if end > len(data):
            break
        if zlib.crc32(data[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return f"its {name.decode('latin-1')} chunk at byte {place:,} is damaged"
        if name == b"IEND":
            return None
        place = end
    return "cut short"


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to 8-bit RGB.  Raises Unreadable where the scale of its pixels is not known."""
    if image.mode.startswith("I;16"):
        grey = np.asarray(image.convert("I"), np.float64)
        return Image.fromarray(np.rint(grey / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        return Image.fromarray(_scaled(np.asarray(image, np.float64))).convert("RGB")
    if image.mode == "I":
        raise Unreadable("32-bit whole numbers as pixels, whose scale is not known; save it with 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _scaled(grey: NDArray[np.float64]) -> Pixels:
    """Scale float pixels to 8 bits, where they are from 0 to 1 or from 0 to 255."""
    low, high = float(grey.min()), float(grey.max())
    if not (low >= 0 and high <= 255):  # NaN is not either
        raise Unreadable(f"float pixels from {low:g} to {high:g}; expected 0 to 1, or 0 to 255")
    return np.rint(grey * (255 if high <= 1 else 1)).astype(np.uint8)


def encode_image(image: Pixels) -> bytes:
    """Encode uint8 [height, width, 3] as PNG, without loss."""
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, format="PNG", compress_level=1)
    return sink.getvalue()


def store_image(data: bytes) -> list[bytes]:
    """Return the bytes as they came where every reader sees in them what `decode_image` does, else as PNG.

    Raises Unreadable.
    """
    decoded = decode_image(data)
    with Image.open(io.BytesIO(data)) as image:
        plain = not image.has_transparency_data and image.mode in PLAIN_MODES
    return [data] if plain else [encode_image(decoded)]


def image_suffix(data: bytes) -> str:
    """Return the suffix that an image's first bytes call for; empty for a format without one here."""
    magic = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".webp", b"BM": ".bmp"}
    return next((suffix for start, suffix in magic.items() if data.startswith(start)), "")


def fill_image(image: Pixels, what: str, rng: Generator) -> Pixels:
    """Return what replaces a missing image; only its size is used.

    Args:
        image: uint8 [height, width, 3].
        what: zeros (black), mean (ImageNet's mean colour, which is zero once normalised) or noise (random pixels).
        rng: read for noise alone.

    Returns uint8 [height, width, 3].
    """
    if what == "noise":
        return rng.integers(0, 256, image.shape, dtype=np.uint8)
    blank = np.zeros_like(image)
    if what == "mean":
        blank[...] = IMAGENET_MEAN
    return blank


IMAGE = Modality(
    name="image",
    noun="image",
    family="image",
    letter="V",
    visual=True,
    suffix=".png",
    arrow_type=FILE,
    feature={"_type": "Image"},
    croissant_type="sc:ImageObject",
    description="encoded image; null when missing",
    read=lambda data, _: decode_image(data),
    store=lambda data, _: store_image(data),
    decode=lambda files: decode_image(files[0]),
    encode=lambda image: [encode_image(image)],
    fill_one=fill_image,
    clean_suffix=image_suffix,
)
