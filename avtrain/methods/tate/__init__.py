"""TATE: its network and its losses."""
