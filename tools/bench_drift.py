"""Figures of the drift engine beside its peers, in one run.

    python tools/bench_drift.py power [--repetitions 25]           shifts of 0.1 to 1 sd, before and after the limits
    python tools/bench_drift.py categories [--repetitions 25]      the same of changes of many categories
    python tools/bench_drift.py speed [--sizes 100000x50,...]      whole processes on Parquet files: seconds, memory

Evidently and NannyML are installed into environments of their own below out/peers; a peer that does not install or
does not run is told and left out. Nothing passes or fails; false alarms are in ``bench_calibration.py``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from peers import interpreter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
OUT = ROOT / "out"
CATEGORIES = 8
SHIFTS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)

#: Read two Parquet files, and two more, print the columns that are said to have drifted, one JSON list a pair.
PROGRAMS = {
    "evidently": """
import sys, json, pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
for reference, current in zip(sys.argv[1::2], sys.argv[2::2]):
    found = Report([DataDriftPreset()]).run(pd.read_parquet(current), pd.read_parquet(reference)).dict()
    drifted = []
    for metric in found["metrics"]:
        config, value = metric.get("config", {}), metric.get("value")
        if "column" not in config or isinstance(value, dict):
            continue
        method, limit = str(config.get("method", "")), config.get("threshold") or 0.05
        by_p = "p_value" in method or "p-value" in method.lower()
        if (value < limit) if by_p else (value >= limit):
            drifted.append(config["column"])
    print(json.dumps(drifted))
""",
    "nannyml": """
import os, sys, json
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
import pandas as pd, nannyml as nml
for reference, current in zip(sys.argv[1::2], sys.argv[2::2]):
    ref, cur = pd.read_parquet(reference), pd.read_parquet(current)
    calc = nml.UnivariateDriftCalculator(column_names=list(ref.columns), chunk_number=10,
        continuous_methods=["kolmogorov_smirnov"], categorical_methods=["chi2"])
    found = calc.fit(ref).calculate(cur).filter(period="analysis").to_df()
    print(json.dumps(sorted({c[0] for c in found.columns if c[-1] == "alert" and found[c].any()})))
""",
}


def write(path: Path, rows: int, columns: int, seed: int, shift: float = 0.0) -> None:
    """Four fifths numbers, one fifth categories of eight values."""
    rng = np.random.default_rng(seed)
    names = pa.array([f"v{k}" for k in range(CATEGORIES)])
    numeric = columns - columns // 5
    found: dict[str, Any] = {f"n{i}": rng.normal(shift, 1, rows) for i in range(numeric)}
    for i in range(columns - numeric):
        codes = pa.array(rng.integers(0, CATEGORIES, rows).astype(np.int32))
        found[f"c{i}"] = pa.DictionaryArray.from_arrays(codes, names).cast(pa.string())
    pq.write_table(pa.table(found), path)


def measured(command: list[str | Path]) -> dict[str, Any]:
    """Wall and processor seconds and peak memory of a whole process, by wait4."""
    paths = [str(ROOT / "operator"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "processor": round(usage.ru_utime + usage.ru_stime, 2),
        "MB": round(usage.ru_maxrss * 1024 / 1e6),
        "exit": process.returncode,
        "out": out,
    }


def ours(reference: Path, current: Path, joint: bool = False) -> list[str | Path]:
    """The command line on two files."""
    command: list[str | Path] = [sys.executable, "-m", "firedrill", "drift", reference, current, "-o", "json"]
    return command if joint else [*command, "--no-joint"]


def speed(sizes: list[str], peers_up_to: int, peers: Path) -> int:
    """One line for each size and tool."""
    OUT.mkdir(exist_ok=True)
    for size in sizes:
        rows, columns = (int(part) for part in size.split("x"))
        files = OUT / f"reference-{size}.parquet", OUT / f"current-{size}.parquet"
        # In processes of their own: a child's peak memory counts what its parent held when it was started.
        for seed, file in enumerate(files):
            writer = get_context("spawn").Process(target=write, args=(file, rows, columns, seed))
            writer.start()
            writer.join()
        commands = {"firedrill": ours(*files), "firedrill with joint": ours(*files, joint=True)}
        for name, program in PROGRAMS.items():
            python = interpreter(name, peers) if rows * columns <= peers_up_to else None
            if python is not None:
                commands[name] = [python, "-c", program, *files]
        for name, command in commands.items():
            found = measured(command)
            found.pop("out")
            print(json.dumps({"size": size, "tool": name, **found, "load": round(os.getloadavg()[0], 1)}), flush=True)
        for file in files:
            file.unlink()
    return 0


def power(repetitions: int, sizes: list[int], peers: Path) -> int:
    """Numeric columns found at shifts of 0.1 to 1 sd, one table of eight of them and two others a repetition.

    Peers alarm at their defaults; below each is what ours finds by p-value, uncorrected, at the level that gives as
    many false alarms as the peer gave on the tables without a shift.
    """
    folder = OUT / "power"
    folder.mkdir(parents=True, exist_ok=True)
    pythons = {name: python for name in PROGRAMS if (python := interpreter(name, peers)) is not None}
    print("| rows | | false alarms |", *(f"{shift} sd |" for shift in SHIFTS[1:]))
    print("|---|---|---|" + "---|" * len(SHIFTS[1:]))
    for rows in sizes:
        tables = []
        for number in range(repetitions * len(SHIFTS)):
            shift, seed = divmod(number, repetitions)
            pair = folder / f"{number}-reference.parquet", folder / f"{number}-current.parquet"
            write(pair[0], rows, 10, 2 * seed)
            write(pair[1], rows, 10, 2 * seed + 1, SHIFTS[shift])
            tables.append(pair)
        by_shift = [tables[i : i + repetitions] for i in range(0, len(tables), repetitions)]
        ours = [_ours_found(pairs) for pairs in by_shift]
        raw = [p_values for p_values, _ in ours]
        found = {name: [shares[name] for _, shares in ours] for name in ours[0][1]}
        for name, python in pythons.items():
            said = measured([python, "-c", PROGRAMS[name], *(file for pair in tables for file in pair)])
            lists = [json.loads(line) for line in said["out"].splitlines() if line.startswith(b"[")]
            if said["exit"] or len(lists) != len(tables):
                raise SystemExit(f"{name} did not answer on all tables")
            counts = [sum(column.startswith("n") for column in each) / 8 for each in lists]
            found[name] = np.mean(np.reshape(counts, (len(SHIFTS), repetitions)), axis=1).tolist()
        for name, shares in found.items():
            _print_power(rows, name, shares)
            if name in pythons and shares[0] > 0:
                level = float(np.quantile(raw[0], shares[0]))
                _print_power(rows, f"ours at {name}'s rate", [float(np.mean(np.array(p) <= level)) for p in raw])
    shutil.rmtree(folder)
    return 0


def _ours_found(pairs: list[tuple[Path, Path]]) -> tuple[list[float], dict[str, float]]:
    """p-values of all numeric columns, and the share of them that alarms."""
    from firedrill.api.driftcheck import Joint
    from firedrill.engines.drift import Asked, check

    asked = Asked(joint=Joint(enabled=False))
    tests = []
    for pair in pairs:
        reference, current = (pq.read_table(file) for file in pair)
        report = check(reference, current, asked, workers=1)
        tests += [column.tests[0] for column in report.columns if column.name.startswith("n")]
    significant = sum(test.p_adjusted < report.significance for test in tests)
    shares = {
        "ours, corrected, before limits": significant / len(tests),
        "ours, after limits": sum(test.alarm for test in tests) / len(tests),
    }
    return [test.p_value for test in tests], shares


def categories(repetitions: int) -> int:
    """Alarms at 5 % of one column at the limit of 0.1: by the plain total variation, and by the effect of the engine.

    The change goes into one value, or half of the values gain what the others lose.
    """
    from firedrill.engines.drift.contingency import compare_counts, pool_rare

    rng, moves = np.random.default_rng(0), (0.0, 0.1, 0.15, 0.2, 0.3)
    print("| values | rows | change | by |", *(f"{moved:g} |" for moved in moves))
    print("|---|---|---|---|" + "---|" * len(moves))
    for cells, n, m in ((8, 5000, 200), (50, 1000, 1000), (50, 5000, 200), (1024, 10_000, 10_000)):
        equal, order = np.full(cells, 1 / cells), np.arange(cells)
        for change in ("one value", "all values"):
            plain, ours = np.zeros(len(moves)), np.zeros(len(moves))
            for i, moved in enumerate(moves):
                if change == "one value":
                    now = np.where(order == 0, 1 / cells + moved, (1 - 1 / cells - moved) / (cells - 1))
                else:
                    now = equal * np.where(order % 2, 1 - 2 * moved, 1 + 2 * moved)
                for _ in range(repetitions):
                    sides = rng.multinomial(n, equal), rng.multinomial(m, now)
                    found = compare_counts(*sides)
                    if found is not None and found.p_value < 0.05:
                        pooled = pool_rare(*sides, order)
                        plain[i] += np.abs(pooled.first / n - pooled.second / m).sum() / 2 >= 0.1
                        ours[i] += found.effect >= 0.1
            for name, alarms in (("plain distance", plain), ("effect", ours)):
                print(f"| {cells} | {n}/{m} | {change} | {name} |", *(f"{k / repetitions:.1%} |" for k in alarms))
    return 0


def _print_power(rows: int, name: str, shares: list[float]) -> None:
    print(f"| {rows:,} | {name} |", *(f"{share:.1%} |" for share in shares), flush=True)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("power", "categories", "speed"))
    parser.add_argument("--repetitions", type=int, default=25, help="tables at each shift, for power")
    parser.add_argument("--rows", default="1000,5000", help="rows of each side, for power")
    parser.add_argument("--sizes", default="100000x50,1000000x20,1000000x100", help="rows x columns, for speed")
    parser.add_argument("--peers-up-to", type=int, default=20_000_000, help="most cells that peers are given")
    parser.add_argument("--peers", type=Path, default=OUT / "peers", help="where the peers' environments are")
    args = parser.parse_args()
    if args.what == "power":
        return power(args.repetitions, [int(rows) for rows in args.rows.split(",")], args.peers)
    if args.what == "categories":
        return categories(args.repetitions)
    return speed(args.sizes.split(","), args.peers_up_to, args.peers)


if __name__ == "__main__":
    sys.exit(main())
