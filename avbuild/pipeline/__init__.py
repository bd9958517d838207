"""The steps of `avbuild make` and `avbuild corrupt`: check files, pair items, split, write shards."""
