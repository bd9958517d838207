"""Scoring a finished run on the test split: conditions, predictions, metrics."""
