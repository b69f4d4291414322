"""A graph grows: the table of nodes, what an op is, the handles users hold, how ops and leaves are appended."""
