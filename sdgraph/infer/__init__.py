"""What is known of an array before it exists: its shape and dtype, and what its numbers may be. Knows no graph."""
