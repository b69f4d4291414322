"""Convolutions by loops of their own: a product of matrices whose left rows are read from the image."""
