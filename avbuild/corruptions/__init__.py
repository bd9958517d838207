"""Seeded corruptions: pure functions `f(signal, level, rng) -> signal`, registered by modality and name."""

from avbuild.corruptions import audio, features, image, text
from avbuild.corruptions.registry import CORRUPTIONS, MISSING, Corruption

__all__ = ["CORRUPTIONS", "MISSING", "Corruption", "audio", "features", "image", "text"]
