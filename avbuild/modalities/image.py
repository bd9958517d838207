"""Images: a source's own bytes while clean, PNG once corrupted."""

import io

import numpy as np
from numpy.random import Generator
from PIL import Image, UnidentifiedImageError

from avbuild.modalities.base import FILE, Modality, Pixels, Unreadable

IMAGENET_MEAN = (124, 116, 104)


def decode_image(data: bytes) -> Pixels:
    """Decode any image that Pillow reads to uint8 [height, width, 3]; the first frame if animated.

    Raises Unreadable.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:  # its message names an object in memory
        raise Unreadable("not a readable picture") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"not a readable picture ({error})") from error


def encode_image(image: Pixels) -> bytes:
    """Encode uint8 [height, width, 3] as PNG, without loss."""
    sink = io.BytesIO()
    Image.fromarray(image).save(sink, format="PNG", compress_level=1)
    return sink.getvalue()


def store_image(data: bytes) -> list[bytes]:
    """Return the bytes as they came, once they are known to decode.  Raises Unreadable."""
    decode_image(data)
    return [data]


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
