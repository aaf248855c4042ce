"""How long the demo takes by phase, cold and warm: the first part of ``make bench``.

Cold means caches of our own are empty: binaries, images, the container store. Wheels and modules that the machine's
package clients hold are not taken away. Figures are printed and kept in out/bench.json; nothing passes or fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out"


def demo(home: str | None) -> dict[str, Any]:
    """Times of one demo, up and down, with the caches below ``home``, else with those of the user."""
    environment = {**os.environ, **({"FIREDRILL_HOME": home, "GOCACHE": f"{home}/go-build"} if home else {})}
    times = OUT / "times.json"
    times.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / "tools" / "demo.py")]
    started = time.monotonic()
    up = subprocess.run([*command, "up", "--name", "bench", "--times", str(times)], env=environment, check=False)
    seconds = time.monotonic() - started
    started = time.monotonic()
    subprocess.run([*command, "down", "--name", "bench"], env=environment, check=True)
    found: dict[str, Any] = json.loads(times.read_text()) if times.exists() else {"phases": [], "lab": []}
    return {"ok": up.returncode == 0, "seconds": seconds, "down": time.monotonic() - started, **found}


def show(title: str, found: dict[str, Any]) -> None:
    """Print the times of a demo."""
    table = Table("phase", "seconds", title=f"{title}: {'as expected' if found['ok'] else 'NOT as expected'}")
    for name, seconds in found["phases"]:
        table.add_row(name, f"{seconds:.1f}")
        if name == "Clusters":
            for part in found["lab"]:
                table.add_row(f"  {part['name']}", f"{part['seconds']:.1f}")
    table.add_row("all", f"{found['seconds']:.1f}")
    table.add_row("down", f"{found['down']:.1f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main() -> int:
    """Run the benchmarks; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("cold", "warm"), help="one of them alone")
    args = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    results: dict[str, Any] = {"load": os.getloadavg(), "cores": os.cpu_count()}
    if args.only in (None, "warm"):
        results["warm"] = demo(None)
        show("Warm demo", results["warm"])
    if args.only in (None, "cold"):
        with tempfile.TemporaryDirectory(prefix="firedrill-bench-", dir=Path.home()) as home:
            results["cold"] = demo(home)
        show("Cold demo", results["cold"])
    (OUT / "bench.json").write_text(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
