"""Batches, and what callers give as data."""
