"""A graph in a file of our own: one container, one list of columns, written whole or not at all."""
