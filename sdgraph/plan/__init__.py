"""What to run, in which order, and when an array is forgotten."""
