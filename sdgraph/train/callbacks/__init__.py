"""What is told of training: events, and who listens."""
