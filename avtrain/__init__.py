"""Audio-visual classifiers that survive noisy and missing modalities, compared on the same data."""
