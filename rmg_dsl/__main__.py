"""`python -m rmg_dsl`: the `rmg` command where its script is not on the path."""

import sys

from rmg_dsl.surfaces.cli import main

if __name__ == "__main__":
    sys.exit(main())
