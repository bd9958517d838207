"""Prompt learning: per-scenario prompts and missing-aware prompts."""
