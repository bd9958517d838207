"""Using a finished run: prediction for single samples, and export as one file."""
