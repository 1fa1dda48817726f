"""Finished conversations as training data: read from runs, cleaned, put into rows (docs/training-data.md)."""
