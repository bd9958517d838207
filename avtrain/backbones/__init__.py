"""Backbones: an encoder for each modality, and the places where prompts can enter. registry.py finds them by name."""
