"""The published corruptions of images: imagecorruptions 1.1.2, and the scripts that made CIFAR-10-C and ImageNet-C.

The scripts are read from a clone of github.com/hendrycks/robustness, edited so that they run with current libraries,
and executed; none of their code is part of this project.
"""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers import IMAGE_PEERS, imagecorruptions
from PIL import Image

Original = Callable[[np.ndarray, int], np.ndarray]  # (image uint8 [H, W, 3], severity) -> uint8 [H, W, 3]

SCRIPTS = "ImageNet-C/create_c"  # in a clone
START, END = "# /////////////// Distortion Helpers ///////////////", "# /////////////// End Distortions ///////////////"
REMOVED = ("from wand", "import wand", "import torch", "wandlibrary.")  # lines that begin like this
RENAMED = {
    "multichannel=True": "channel_axis=-1",  # scikit-image 0.19
    "np.float_": "np.float64",  # numpy 2
    "np.fromstring": "np.frombuffer",
    "scipy.ndimage.interpolation": "scipy.ndimage",
}


class StandInImage:
    """Stands in for ImageMagick's MagickMotionBlurImage, with the motion blur of imagecorruptions, the same formula."""

    def __init__(self, blob: bytes) -> None:
        self.pixels = np.asarray(Image.open(io.BytesIO(blob)))

    def motion_blur(self, radius: float, sigma: float, angle: float) -> None:
        blurred = imagecorruptions().corruptions._motion_blur(self.pixels, int(radius), sigma, angle)
        self.pixels = np.rint(blurred).clip(0, 255).astype(np.uint8)

    def make_blob(self) -> bytes:
        sink = io.BytesIO()
        Image.fromarray(self.pixels).save(sink, "PNG")
        return sink.getvalue()


def script_originals(script: Path) -> dict[str, Original]:
    """Return the corruptions that a script of the clone defines, by the names of ours.

    Args:
        script: make_cifar_c.py or make_imagenet_c.py, with the frost textures beside it.
    """
    if not script.is_file():
        raise SystemExit(f"{script}: not found; --official takes a clone of github.com/hendrycks/robustness")
    source = script.read_text()
    for mark in (START, END):
        if mark not in source:
            raise SystemExit(f"{script}: not a script of hendrycks/robustness: no line {mark!r}")
    lines = source[source.index(START) : source.index(END)].splitlines()
    kept: list[str] = []
    skipping = False
    for line in lines:
        # a removed statement or class goes on while the lines after it are indented
        skipping = line.startswith((*REMOVED, "class MotionImage")) or (skipping and line[:1] in (" ", ""))
        if not skipping:
            kept.append(line)
    code = "\n".join(kept)
    for old, new in RENAMED.items():
        code = code.replace(old, new)
    names: dict[str, Any] = {"np": np, "os": os, "Image": Image, "PILImage": Image, "MotionImage": StandInImage}
    exec(compile(code, str(script), "exec"), names)
    here = script.parent

    def run(function: Callable[[Image.Image, int], Any], image: np.ndarray, severity: int) -> np.ndarray:
        before = Path.cwd()
        os.chdir(here)  # frost reads its textures from the working directory
        try:
            return np.uint8(function(Image.fromarray(image), severity))
        finally:
            os.chdir(before)

    return {
        ours: lambda image, severity, f=names[theirs]: run(f, image, severity)
        for ours, theirs in IMAGE_PEERS.items()
        if theirs in names
    }


def large_originals(clone: Path | None) -> dict[str, Original]:
    """Return the corruptions for images of 64 px and more.

    All are those of imagecorruptions, except `elastic`, whose levels there are not those of ImageNet-C: it is taken
    from the clone, and left out without one.

    Args:
        clone: of hendrycks/robustness.
    """
    warnings.simplefilter("ignore")
    corrupt = imagecorruptions().corrupt
    found: dict[str, Original] = {
        ours: lambda image, severity, theirs=theirs: corrupt(image, corruption_name=theirs, severity=severity)
        for ours, theirs in IMAGE_PEERS.items()
        if ours != "elastic"
    }
    if clone is not None:
        found["elastic"] = script_originals(clone / SCRIPTS / "make_imagenet_c.py")["elastic"]
    return found


def small_originals(clone: Path) -> dict[str, Original]:
    """Return the corruptions of CIFAR-10-C, for images of 32 px.

    Args:
        clone: of hendrycks/robustness.
    """
    warnings.simplefilter("ignore")
    return script_originals(clone / SCRIPTS / "make_cifar_c.py")
