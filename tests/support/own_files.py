"""Small media files of a user, all of different content."""

import io
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image


def write_media(path: Path, number: int = 0) -> Path:
    """Write a WAV, FLAC, PNG or JPEG file, as its suffix says; the number decides its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".wav", ".flac"):
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 800).astype(np.float32)
        soundfile.write(path, samples, 16_000, subtype="PCM_16")
    elif path.suffix in (".png", ".jpg"):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "PNG" if path.suffix == ".png" else "JPEG")
        path.write_bytes(sink.getvalue())
    else:
        path.write_text(f"note {number}")
    return path


def write_tree(root: Path, names: tuple[str, ...], start: int = 0) -> Path:
    """Write one media file for each path below a root."""
    for number, name in enumerate(names, start):
        write_media(root / name, number)
    return root


def write_classes(
    root: Path,
    suffix: str,
    classes: tuple[str, ...] = ("cat", "dog"),
    count: int = 12,
    splits: tuple[str, ...] = ("",),
    start: int = 0,
) -> Path:
    """Write `SPLIT/CLASS/0000.wav` and so on, numbered in each class of each split."""
    names = [f"{split}/{name}/{index:04d}{suffix}" for split in splits for name in classes for index in range(count)]
    return write_tree(root, tuple(name.lstrip("/") for name in names), start)
