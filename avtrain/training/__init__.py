"""Training: the loop, the optimizer, the state that a stopped run continues from, trackers."""
