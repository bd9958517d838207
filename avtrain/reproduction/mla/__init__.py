"""Tables 1 and 3 of MLA (CVPR 2024)."""
