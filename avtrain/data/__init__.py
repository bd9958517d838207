"""From shards to batches: rows, decoding, corruption on the fly, fingerprints."""
