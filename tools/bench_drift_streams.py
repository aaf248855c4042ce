"""Detectors on the error stream of a learner, on generated streams with known changes: ours, river's, always, never.

    python tools/bench_drift_streams.py [--seeds 100] [--first 1000]

Runs in an environment of its own with river in it. Each stream has 100,000 rows with a tenth of the labels flipped;
sine and mixed turn their labels round every 20,000 rows, circles changes its circle every 25,000 (as the streams of
the Tornado framework). A Hoeffding tree is tested on each row, then trained on it, and begins anew at each alarm.
An alarm counts as found within 2,000 rows after a change, once; all others are false.
"""

import argparse
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "out" / "peers" / "river"
ROWS, WINDOW, NOISE = 100_000, 2_000, 0.1
Row = tuple[dict[str, float], int]


def blend(rng: random.Random, row: int, every: int, width: int) -> int:
    """Which concept a row is from: the next one takes over gradually from each change on."""
    concept, since = divmod(row, every)
    if concept > 0 and since < 4 * width:
        return concept if rng.random() < 1 / (1 + math.exp(-4 * (since - width / 2) / width)) else concept - 1
    return concept


def sine(rng: random.Random) -> Iterator[Row]:
    """Above or below a sine; labels turn round at each change."""
    for row in range(ROWS):
        x, y = rng.random(), rng.random()
        label = int(y <= math.sin(x)) ^ (blend(rng, row, 20_000, 50) % 2)
        yield {"x": x, "y": y}, label ^ (rng.random() < NOISE)


def mixed(rng: random.Random) -> Iterator[Row]:
    """Two flags and two numbers, two of three conditions; labels turn round at each change."""
    for row in range(ROWS):
        a, b, x, y = rng.randrange(2), rng.randrange(2), rng.random(), rng.random()
        met = a + b + (y < 0.5 + 0.3 * math.sin(3 * math.pi * x))
        label = int(met >= 2) ^ (blend(rng, row, 20_000, 50) % 2)
        yield {"a": float(a), "b": float(b), "x": x, "y": y}, label ^ (rng.random() < NOISE)


#: Rows over which one circle gives way to the next.
CIRCLES_WIDTH = 500
CIRCLES = ((0.2, 0.5, 0.15), (0.4, 0.5, 0.2), (0.6, 0.5, 0.25), (0.8, 0.5, 0.3))


def circles(rng: random.Random) -> Iterator[Row]:
    """Inside or outside a circle, equally often; another circle after each change."""
    for row in range(ROWS):
        cx, cy, r = CIRCLES[blend(rng, row, 25_000, CIRCLES_WIDTH)]
        label = rng.randrange(2)
        while True:
            x, y = rng.random(), rng.random()
            if int((x - cx) ** 2 + (y - cy) ** 2 <= r * r) == label:
                break
        yield {"x": x, "y": y}, label ^ (rng.random() < NOISE)


STREAMS: dict[str, tuple[Callable[[random.Random], Iterator[Row]], int]] = {
    "sine1": (sine, 20_000),
    "mixed": (mixed, 20_000),
    "circles": (circles, 25_000),
}


def detectors() -> dict[str, Callable[[], Callable[[bool], bool]]]:
    """Makers of a function that takes whether the learner erred and says whether to alarm."""
    from river import drift
    from river.drift import binary

    from firedrill.engines.drift.streaming import RisingRate

    def of_river(make: Callable[[], Any]) -> Callable[[], Callable[[bool], bool]]:
        def made() -> Callable[[bool], bool]:
            detector = make()

            def update(one: bool) -> bool:
                detector.update(int(one))
                return bool(detector.drift_detected)

            return update

        return made

    return {
        "firedrill": lambda: RisingRate().update,
        "river ADWIN": of_river(drift.ADWIN),
        "river HDDM_W": of_river(binary.HDDMW),
        "river HDDM_A": of_river(binary.HDDMA),
        "river DDM": of_river(binary.DDM),
        "always, every 1,000 rows": lambda: _every(1000),
        "never": lambda: lambda _one: False,
    }


def _every(rows: int) -> Callable[[bool], bool]:
    count = 0

    def update(_one: bool) -> bool:
        nonlocal count
        count += 1
        return count % rows == 0

    return update


def run(stream: str, make: Callable[[], Callable[[bool], bool]], seed: int) -> tuple[int, int, list[int], int]:
    """Changes, changes found, delays of those found in rows, false alarms."""
    from river import tree

    maker, every = STREAMS[stream]
    update, learner = make(), tree.HoeffdingTreeClassifier()
    found: dict[int, int] = {}
    false = 0
    for row, (features, label) in enumerate(maker(random.Random(seed))):  # noqa: S311 - a simulation
        erred = learner.predict_one(features) != label
        learner.learn_one(features, label)
        if update(erred):
            learner = tree.HoeffdingTreeClassifier()
            change, since = divmod(row, every)
            if change > 0 and since < WINDOW and change not in found:
                found[change] = since
            else:
                false += 1
    return (ROWS - 1) // every, len(found), list(found.values()), false


def measure(first: int, seeds: int) -> int:
    """Print a line for each stream and detector."""
    for stream in STREAMS:
        for name, make in detectors().items():
            started = time.perf_counter()
            results = [run(stream, make, seed) for seed in range(first, first + seeds)]
            changes, found = sum(r[0] for r in results), sum(r[1] for r in results)
            delays = [delay for r in results for delay in r[2]]
            false = [r[3] for r in results]
            mean = sum(false) / len(false)
            spread = (sum((f - mean) ** 2 for f in false) / max(len(false) - 1, 1) / len(false)) ** 0.5
            line = {
                "stream": stream,
                "detector": name,
                "seeds": seeds,
                "found": round(found / changes, 3),
                "delay": round(sum(delays) / len(delays), 1) if delays else None,
                "false per 100k": [
                    round(max(mean - 1.96 * spread, 0), 2),
                    round(mean, 2),
                    round(mean + 1.96 * spread, 2),
                ],
                "seconds": round(time.perf_counter() - started, 1),
            }
            print(json.dumps(line), flush=True)
    return 0


def main() -> int:
    """Prepare the environment and measure inside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="streams of each kind")
    parser.add_argument("--first", type=int, default=1000, help="the first seed; below 1000 were used to choose limits")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        return measure(args.first, args.seeds)
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "-q", VENV], check=True)
        packages = ["river", "numpy", "scipy", "pyarrow", "pydantic"]
        subprocess.run(["uv", "pip", "install", "-q", "-p", python, *packages], check=True)
    command = [python, __file__, "--inside", "--seeds", str(args.seeds), "--first", str(args.first)]
    return subprocess.run(command, check=False, env={"PYTHONPATH": str(ROOT / "operator")}).returncode


if __name__ == "__main__":
    sys.exit(main())
