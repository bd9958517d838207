"""`avtrain reproduce`: one file per command, each of which reproduces published tables."""
