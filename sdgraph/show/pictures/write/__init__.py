"""In which format it is written: DOT, Mermaid, SVG, or as a networkx graph."""
