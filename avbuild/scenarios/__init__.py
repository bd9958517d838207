"""From a manifest to the corruptions of each sample: specs, presets, seeds, plans and their execution."""
