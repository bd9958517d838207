"""Reproductions of published tables: one folder per publication, and the plan, runs and verdicts that they share."""
