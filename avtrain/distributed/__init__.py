"""Training with several processes: the process group, and how its ranks share the rows of a batch."""
