"""Scenarios: from a manifest to the corruptions of each sample. Specs, presets, seeds, plans and their execution."""
