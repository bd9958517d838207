"""Parts that several methods share: heads, losses, mixup, unimodal features."""
