"""One record a modality: how its signals are decoded, encoded, stored, filled and named."""
