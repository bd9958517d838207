"""Corruptions of a waveform. Each is pure: the same samples, level and generator give the same output.

Sums of many terms are computed in float64, so that differences between processors vanish in the rounding to 16 bits.
"""

from avbuild.corruptions.audio import ambience, channel, codec, level, noise, room, timing

__all__ = ["ambience", "channel", "codec", "level", "noise", "room", "timing"]
