"""The feature cache: tokens of frozen backbones, computed once and kept on disk."""
