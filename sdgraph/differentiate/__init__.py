"""Gradients, as nodes of the same graph."""
