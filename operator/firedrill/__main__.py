"""``python -m firedrill``."""

import sys

from firedrill.cli.main import main

sys.exit(main())
