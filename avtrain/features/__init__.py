"""The cache of tokens of frozen backbones."""
