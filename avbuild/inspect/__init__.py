"""Looking at data sets: contents, preview page, replay of a sample, and lists of what avbuild offers."""
