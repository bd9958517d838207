"""What is on disk: shards, `build.json`, splits, card, Croissant, and checking them."""
