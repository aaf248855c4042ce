"""``make bad-models``: what is said of each wrong spec, data set and server that tests know, as a table."""

import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from support.bad_models import CASES, outcome


def main() -> int:
    """Print the table; returns 0."""
    table = Table("what is wrong", "verdict", "reason", "message", title=f"{len(CASES)} bad models")
    for case in CASES:
        result = asyncio.run(outcome(case))
        table.add_row(case.what, result.verdict.value, result.reason, result.message[:160])
    Console(width=None if sys.stdout.isatty() else 180).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
