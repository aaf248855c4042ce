"""Vets and tests the Go module of simulated services, with the toolchain that builds the lab."""

import subprocess
import sys
from pathlib import Path

from firedrill.lab.errors import LabError
from firedrill.lab.native.binaries import find_go
from firedrill.lab.paths import cache

MODULE = Path(__file__).resolve().parent.parent / "images" / "simulator"


def main() -> int:
    """Run both; the first exit code that is not 0."""
    try:
        go = str(find_go(cache("logs") / "go.log"))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    for arguments in (["vet", "./..."], ["test", "./..."]):
        code = subprocess.run([go, *arguments], cwd=MODULE, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
