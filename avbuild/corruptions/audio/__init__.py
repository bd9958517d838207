"""Corruptions of a waveform. Each is pure: the same samples, level and generator give the same output.

Sums of many terms are in float64: after the one rounding to 16 bits, a processor's last bit does not show.
"""

from avbuild.corruptions.audio import ambience, channel, codec, level, noise, room, timing

__all__ = ["ambience", "channel", "codec", "level", "noise", "room", "timing"]
