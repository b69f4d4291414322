"""Where it stands: Graphviz programs and the widths of letters."""
