"""From a graph to what a file of SameDiff's holds: every op as the nodes with which SameDiff computes its numbers."""
