"""The recipe of OGM-GE (CVPR 2022); its own tables are not among those reproduced here."""
