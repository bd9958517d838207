"""Corruptions of a text. Each is pure: the same text, level and generator give the same output.

A text is in Unicode's form NFC, and so is what becomes of it. Ops act on whole characters as a reader sees them, so
that no combining mark and no joined emoji is split, and on whole words between white space. An op that finds nothing to
act on returns the text unchanged, and only an empty text becomes an empty one. Among the units that an op can act on it
takes those first in a random order, so that what changes at one severity also changes at every higher one.
"""

from avbuild.corruptions.text import casing, keyboard, length, letters, punctuation, scanning, word_order, words

__all__ = ["casing", "keyboard", "length", "letters", "punctuation", "scanning", "word_order", "words"]
