"""The tables of *Prompt the Missing* (CVPRW 2025)."""
