"""Graphs and their values in files: the methods of a graph, and the formats of other programs."""
