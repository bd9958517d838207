"""Backbones: encoders of each modality, with places where prompts can enter. registry.py finds them by name."""
