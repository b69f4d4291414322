"""Engines turn a plan into something that runs: what one is, which one runs, and what they share."""
