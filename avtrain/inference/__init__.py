"""Using a finished run: prediction and export."""
