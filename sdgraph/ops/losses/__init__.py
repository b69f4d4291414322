"""The losses, how they are weighted and reduced, and the recursion of CTC."""
