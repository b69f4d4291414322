"""What can be computed. An op is one decorated definition: value, shape, gradient, kernel and example in one place."""
