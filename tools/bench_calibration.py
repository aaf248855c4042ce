"""How often the drift engine says drift where nothing has drifted: the table, with 95 % intervals.

    python tools/bench_calibration.py [--repetitions 2000] [--only TEXT] [--minutes 60]   add repetitions, print
    python tools/bench_calibration.py --print                                             print what is there

A repetition draws both tables from one distribution, by a seed of its own, and runs the whole check; it counts when
any p-value is below 5 % after correction over all, whatever the effects. Repetitions are kept in a file of the
repository, so that runs add up, on other machines too; all cases grow alike. Whoever changes what a case measures takes
its lines out. Exits with 1 when the lower bound of a claimed case exceeds 5 %.
"""

import argparse
import json
import os
import sys
import time
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from scipy import special

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from calibration.cases import SIGNIFICANCE, Case, all_cases  # noqa: E402

from firedrill.engines.common.intervals import exact  # noqa: E402
from firedrill.engines.drift import ks as ks_test  # noqa: E402

#: Parts in which all cases grow, so that a run that is cut short has something of each.
ROUNDS = 10
#: A part is written when it took so many seconds, at the latest.
WRITE_AFTER = 20.0
#: No p-value above is counted exactly.
FAR = 0.2


def kept(path: Path) -> tuple[dict[str, Counter[str]], dict[str, int], dict[str, float]]:
    """Counts, repetitions and seconds of each case."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    done: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for line in path.read_text().splitlines() if path.exists() else []:
        part = json.loads(line)
        if part["from"] != done[part["case"]]:
            raise SystemExit(f"{path}: repetitions of {part['case']!r} are not whole: delete its lines")
        counts[part["case"]].update(part["counts"])
        done[part["case"]] = part["to"]
        seconds[part["case"]] += part["seconds"]
    return counts, done, seconds


def remember() -> None:
    """Count few exact p-values: they depend on the distance and the sizes alone, and most are far from any level.

    What is left out stands at Kolmogorov's limit, which is 0.2 or more there and off by less than a tenth.
    """
    computed, known = ks_test.p_value, dict[tuple[float, int, int], float]()

    def p_value(ks: float, first: ks_test.Floats, second: ks_test.Floats) -> float:
        n, m = len(first), len(second)
        limit = float(special.kolmogorov(ks * np.sqrt(n * m / (n + m))))
        if limit > FAR:
            return limit
        key = (round(ks, 12), n, m)
        if key not in known:
            known[key] = computed(ks, first, second)
        return known[key]

    ks_test.p_value = p_value


def grow(case: Case, first: int, last: int, path: Path, until: float) -> None:
    """Run the repetitions from ``first`` to before ``last``, each from the seed of its number."""
    counts: Counter[str] = Counter()
    started, begun = time.process_time(), first
    for number in range(first, last):
        rng = np.random.default_rng([zlib.crc32(case.name.encode()), number])
        counts.update(case.once(rng))
        seconds = time.process_time() - started
        ended = time.monotonic() > until
        if number == last - 1 or seconds > WRITE_AFTER or ended:
            part = {"case": case.name, "from": begun, "to": number + 1, "counts": counts, "seconds": round(seconds, 2)}
            with path.open("a") as out:
                out.write(json.dumps(part) + "\n")
            counts, started, begun = Counter(), time.process_time(), number + 1
        if ended:
            return


def told(cases: list[Case], path: Path) -> int:
    """Print the table; 1 when a claimed case fails."""
    counts, done, seconds = kept(path)
    worst = 0
    print("| what | columns | kinds | rows | repetitions | by p-value | 95 % interval | with limits | beside |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in cases:
        runs, seen = done.get(case.name, 0), counts.get(case.name, Counter())
        if not runs:
            continue
        rate = exact(seen["by p"], runs, 0.95)
        others = {name: seen[name] for name in seen if name not in ("by p", "with limits", "tests") and seen[name]}
        failed = case.claimed and rate.low > SIGNIFICANCE
        worst = max(worst, int(failed))
        beside = ", ".join([*(f"{name} {count}" for name, count in others.items()), *(["**FAILS**"] if failed else [])])
        found = f"{seen['by p']} = {rate.value:.1%} | {rate.low:.1%} to {rate.high:.1%} | {seen['with limits']}"
        print(f"| {case.name} | {runs:,} | {found} | {beside} |")
    print(f"\n{sum(done.values()):,} repetitions, {sum(seconds.values()) / 60:.0f} processor minutes", file=sys.stderr)
    return worst


def main() -> int:
    """Add repetitions where they are missing, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000, help="of one, ten and a hundred columns; others fewer")
    parser.add_argument("--only", default="", help="cases with any of these, apart by commas, in their name")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after so many")
    parser.add_argument(
        "--log", type=Path, default=ROOT / "docs" / "figures" / "calibration.jsonl", help="where repetitions are kept"
    )
    parser.add_argument("--print", action="store_true", help="only print")
    args = parser.parse_args()
    cases = [case for case in all_cases() if any(part in case.name for part in args.only.split(","))]
    args.log.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * args.minutes
    remember()
    rounds = 0 if args.print else ROUNDS
    for part in range(1, rounds + 1):
        for case in cases:
            asked = max(round(args.repetitions * case.share * part / ROUNDS), 1)
            done = kept(args.log)[1].get(case.name, 0)
            if done < asked and time.monotonic() < until:
                grow(case, done, asked, args.log, until)
        print(f"part {part} of {ROUNDS}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    return told(cases, args.log)


if __name__ == "__main__":
    sys.exit(main())
