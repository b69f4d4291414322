"""What is known of many numbers at once: their order, quantiles, counts, places and spreads."""
