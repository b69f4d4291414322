"""Sums of products over named axes."""
