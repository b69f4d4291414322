"""Graphs as equations in LaTeX."""
