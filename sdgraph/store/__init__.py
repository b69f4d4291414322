"""Graphs in files: one container, one list of columns, written whole or not at all."""
