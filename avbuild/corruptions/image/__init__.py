"""Corruptions of an image. Each is pure: the same pixels, level and generator give the same output.

Severities for images of 64 px and more are ImageNet-C's, below that CIFAR-10-C's (Hendrycks and Dietterich, ICLR 2019,
`make_imagenet_c.py` and `make_cifar_c.py`); those of box blur, occlusion, rain and low light are our own, since
neither benchmark has them.

Arithmetic is in integers, or in floating point with one final rounding to 8 bits, so that differences between
processors vanish.
"""

from avbuild.corruptions.image import blur, colour, digital, lens, noise, weather

__all__ = ["blur", "colour", "digital", "lens", "noise", "weather"]
