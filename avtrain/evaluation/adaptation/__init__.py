"""Test-time adaptation: wrappers round a trained method that adapt to an unlabelled stream; one file an adapter."""
