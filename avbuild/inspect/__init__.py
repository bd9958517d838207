"""Looking at a data set: contents, preview page, replay of a sample."""
