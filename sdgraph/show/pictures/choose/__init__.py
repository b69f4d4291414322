"""What a picture shows: which nodes, grouped how, with which values."""
