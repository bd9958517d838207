"""The tables of MLA (CVPR 2024)."""
