"""Damaged and odd inputs, seeded: a few hundred cases in CI, thousands by `make fuzz`."""
