"""Corpora, one file each: find or download the corpus, check it, and list its items."""
