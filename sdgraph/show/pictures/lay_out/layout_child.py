"""The process that lays out a picture with pygraphviz: DOT on standard input, the picture on standard output.

It runs alone, so that a layout that takes too long can be stopped. Must not import the rest of the package: it starts
for every picture.
"""

import sys


def main() -> int:
    """Lay out standard input in the format of the first argument."""
    import pygraphviz

    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
    sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot") or b"")
    return 0


if __name__ == "__main__":
    sys.exit(main())
