"""``python -m sdgraph``: the same command line as the ``sdgraph`` script."""

import sys

from sdgraph.cli import main

if __name__ == "__main__":
    sys.exit(main())
