"""A data set on disk: shards, `build.json`, splits, dataset card and Croissant metadata, and their verification."""
