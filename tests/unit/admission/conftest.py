"""Makes what the tests of the operator share importable: tests are no package."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# How long an example takes says nothing here: the machine may be busy.
settings.register_profile("firedrill", deadline=None)
settings.load_profile("firedrill")
