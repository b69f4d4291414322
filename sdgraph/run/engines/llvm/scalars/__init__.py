"""What an op computes on one element, as IR: rules of ops, the arithmetic behind, what is known of a result."""
