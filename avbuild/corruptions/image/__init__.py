"""Corruptions of a picture. Each is pure: the same pixels, level and generator give the same output.

Levels for pictures of 64 px and more are ImageNet-C's, below that CIFAR-10-C's (Hendrycks and Dietterich, ICLR 2019,
`make_imagenet_c.py` and `make_cifar_c.py`); box blur, occlusion, rain and low light are ours, since neither has them.

Arithmetic is in integers, or in float64 before the one rounding to 8 bits: a processor's last bit does not show.
"""

from avbuild.corruptions.image import blur, colour, digital, noise, weather

__all__ = ["blur", "colour", "digital", "noise", "weather"]
