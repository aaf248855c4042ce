"""Detectors on the error stream of a learner, on generated streams with known changes: ours, river's, always, never.

    python tools/bench_drift_streams.py [--seeds 100] [--others 20] [--streams sine1,mixed]

Runs in an environment of its own with river in it. Each stream has 100,000 rows with a tenth of the labels flipped.
As in the streams of the Tornado framework, sine and mixed turn their labels round every 20,000 rows, and circles
changes its circle at once every 25,000; one changes it over 500 rows, and one never changes. A Hoeffding tree is
tested on each row, then trained on it, and begins anew at each alarm. An alarm counts as found within 2,000 rows after
a change, once; all others are false. Every run is kept in a file of the repository, so that runs add up, on other
machines too. Intervals are 95 %, over streams.
"""

import argparse
import json
import math
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from peers import interpreter

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "figures"
ROWS, WINDOW, NOISE = 100_000, 2_000, 0.1
Row = tuple[dict[str, float], int]
#: Changes, changes found, delays of those found in rows, false alarms.
Seen = tuple[int, int, list[int], int]


def later(rng: random.Random, since: int, width: int) -> bool:
    """Whether a row of a transition over ``width`` rows is from the later concept: ever more of them are."""
    return rng.random() < 1 / (1 + math.exp(-4 * (since - width / 2) / width))


def blend(rng: random.Random, row: int, every: int, width: int) -> int:
    """Which concept a row is from: the next one takes over within ``width`` rows after each change."""
    concept, since = divmod(row, every)
    return concept - (concept > 0 and since < width and not later(rng, since, width))


def sine(rng: random.Random) -> Iterator[Row]:
    """Above or below a sine, equally often; labels turn round at each change."""
    for row in range(ROWS):
        turned, label = blend(rng, row, 20_000, 50) % 2, rng.randrange(2)
        while True:
            x, y = rng.random(), rng.random()
            if int(y <= math.sin(x)) == label:
                break
        yield {"x": x, "y": y}, label ^ turned ^ (rng.random() < NOISE)


def mixed(rng: random.Random) -> Iterator[Row]:
    """Two flags and two numbers, two of three conditions or not, equally often; labels turn round at each change."""
    for row in range(ROWS):
        turned, label = blend(rng, row, 20_000, 50) % 2, rng.randrange(2)
        while True:
            a, b, x, y = rng.randrange(2), rng.randrange(2), rng.random(), rng.random()
            if int(a + b + (y < 0.5 + 0.3 * math.sin(3 * math.pi * x)) >= 2) == label:
                break
        yield {"a": float(a), "b": float(b), "x": x, "y": y}, label ^ turned ^ (rng.random() < NOISE)


def steady(rng: random.Random) -> Iterator[Row]:
    """The sine without any change."""
    for _ in range(ROWS):
        x, y = rng.random(), rng.random()
        yield {"x": x, "y": y}, int(y <= math.sin(x)) ^ (rng.random() < NOISE)


#: Rows over which one circle gives way to the next.
CIRCLES_WIDTH = 500
CIRCLES = ((0.2, 0.5, 0.15), (0.4, 0.5, 0.2), (0.6, 0.5, 0.25), (0.8, 0.5, 0.3))


def circles(rng: random.Random, gradual: bool = False) -> Iterator[Row]:
    """Inside or outside a circle, equally often; another circle after each change.

    The framework's own streams change at once, as its transitions are to the circle after: within 500 rows from
    each change on that one appears ever more, then vanishes. ``gradual`` changes as its parameters say instead.
    """
    for row in range(ROWS):
        concept, since = divmod(row, 25_000)
        if gradual:
            concept = blend(rng, row, 25_000, CIRCLES_WIDTH)
        elif since < CIRCLES_WIDTH and concept < len(CIRCLES) - 1:
            concept += later(rng, since, CIRCLES_WIDTH)
        cx, cy, r = CIRCLES[concept]
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
    "gradual circles": (partial(circles, gradual=True), 25_000),
    "no change": (steady, ROWS),
}
OURS = "firedrill"


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
        OURS: lambda: RisingRate().update,
        "river ADWIN": of_river(drift.ADWIN),
        "river HDDM_W": of_river(binary.HDDMW),
        "river HDDM_A": of_river(binary.HDDMA),
        "river DDM": of_river(binary.DDM),
    }


def run(stream: str, make: Callable[[], Callable[[bool], bool]], seed: int) -> Seen:
    """Changes, changes found, delays of those found in rows, false alarms."""
    # Late: the peer is in an environment of its own.
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


def always(stream: str, every: int = 1000) -> Seen:
    """An alarm every so many rows, whatever the learner says."""
    apart = STREAMS[stream][1]
    alarms = [divmod(row, apart) for row in range(every - 1, ROWS, every)]
    found = {change: since for change, since in reversed(alarms) if change > 0 and since < WINDOW}
    return (ROWS - 1) // apart, len(found), list(found.values()), len(alarms) - len(found)


def interval(values: list[float]) -> str:
    """Mean and its 95 % interval, by the normal limit over streams."""
    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1) / len(values)) ** 0.5
    return f"{mean:.3g} ({max(mean - 1.96 * spread, 0):.3g} to {mean + 1.96 * spread:.3g})"


def told(stream: str, name: str, results: list[Seen]) -> str:
    """A line of the table."""
    changes, found = sum(r[0] for r in results), sum(r[1] for r in results)
    delays = [sum(r[2]) / len(r[2]) for r in results if r[2]]
    line = [stream, name, str(len(results)), f"{found}/{changes}", interval(delays) if delays else ""]
    return f"| {' | '.join(line)} | {interval([float(r[3]) for r in results])} |"


def kept(log: Path) -> dict[tuple[str, str], dict[int, Seen]]:
    """Results by stream and detector, and by seed."""
    results: dict[tuple[str, str], dict[int, Seen]] = defaultdict(dict)
    for line in log.read_text().splitlines() if log.exists() else []:
        stream, name, seed, seen = json.loads(line)
        results[stream, name][seed] = tuple(seen)
    return results


def measure(streams: list[str], first: int, seeds: int, others: int, log: Path) -> int:
    """Run what is not in the file yet, then print a line for each stream and detector that is there."""
    made = detectors()
    done = kept(log)
    for seed in range(first, first + seeds):
        for stream, (name, make) in product(streams, made.items()):
            if seed in done.get((stream, name), {}) or (name != OURS and seed >= first + others):
                continue
            with log.open("a") as out:
                out.write(json.dumps([stream, name, seed, run(stream, make, seed)]) + "\n")
    print("| stream | detector | streams | found | delay, rows | false in 100,000 rows |\n|---|---|---|---|---|---|")
    done = kept(log)
    for stream, name in product(STREAMS, made):
        results = [seen for seed, seen in done.get((stream, name), {}).items() if first <= seed < first + seeds]
        if results:
            print(told(stream, name, results))
    for stream in STREAMS:
        changes = (ROWS - 1) // STREAMS[stream][1]
        print(told(stream, "always, every 1,000 rows", [always(stream)]))
        print(told(stream, "never", [(changes, 0, [], 0)]))
    return 0


def main() -> int:
    """Prepare the environment and measure inside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="streams of each kind for ours")
    parser.add_argument("--others", type=int, default=20, help="the first of them for river's")
    parser.add_argument("--streams", default="", help="names of those to run, apart by commas; all when absent")
    parser.add_argument("--log", type=Path, default=FIGURES / "streams.jsonl", help="where runs are kept")
    parser.add_argument("--first", type=int, default=1000, help="the first seed; below 1000 were used to choose limits")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    streams = args.streams.split(",") if args.streams else list(STREAMS)
    if unknown := [name for name in streams if name not in STREAMS]:
        parser.error(f"--streams: there is no {unknown[0]!r}, but {', '.join(map(repr, STREAMS))}")
    if args.inside:
        args.log.parent.mkdir(exist_ok=True)
        return measure(streams, args.first, args.seeds, args.others, args.log)
    python = interpreter("river", ROOT / "out" / "peers")
    if python is None:
        raise SystemExit("river can not be installed: is a package index in reach?")
    command: list[str | Path] = [python, __file__, "--inside", *sys.argv[1:]]
    return subprocess.run(command, check=False, env={"PYTHONPATH": str(ROOT / "operator")}).returncode


if __name__ == "__main__":
    sys.exit(main())
