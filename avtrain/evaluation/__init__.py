"""Scoring a finished run: conditions, predictions, metrics."""
