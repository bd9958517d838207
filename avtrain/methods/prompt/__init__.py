"""Prompt learning: prompts for each scenario, and missing-aware prompts."""
