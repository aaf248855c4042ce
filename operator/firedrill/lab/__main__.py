"""`python -m firedrill.lab` is `firedrill lab`."""

import sys

from firedrill.lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
