"""Choosing the numbers that a candidate leaves open, by measuring, beside the model."""
