"""Vets and tests the Go modules of simulated services and of faults, with the toolchain that builds the lab."""

import subprocess
import sys
from pathlib import Path

from firedrill.lab.errors import LabError
from firedrill.lab.native.binaries import find_go
from firedrill.lab.paths import cache

IMAGES = Path(__file__).resolve().parent.parent / "images"
MODULES = (IMAGES / "simulator", IMAGES / "runner" / "podfault")


def main() -> int:
    """Run both on each; the first exit code that is not 0."""
    try:
        go = str(find_go(cache("logs") / "go.log"))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    for module in MODULES:
        for arguments in (["vet", "./..."], ["test", "./..."]):
            code = subprocess.run([go, *arguments], cwd=module, check=False).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
