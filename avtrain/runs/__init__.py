"""The folder of a run: its files, guards against mixing runs, and the cost of training."""
