"""Paired audio-visual data sets, corrupted so exactly that any sample can be re-created anywhere."""

__version__ = "0.2.0"
