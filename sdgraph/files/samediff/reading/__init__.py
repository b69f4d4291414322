"""From what a file of SameDiff's holds to a graph: every operation as the ops of ours that compute the same."""
