"""The steps of `avbuild make` and `avbuild corrupt`: check, pair, split, write."""
