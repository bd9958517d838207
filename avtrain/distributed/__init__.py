"""Several processes that train as one: process group and row sharing."""
