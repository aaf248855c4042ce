"""Figures of the drift engine beside its peers, in one run.

    python tools/bench_drift.py calibration [--repetitions 2000]   family-wise error with 95 % intervals, by p-value
    python tools/bench_drift.py power [--repetitions 100]          shifts of 0.1 to 1 sd, before and after the limits
    python tools/bench_drift.py speed [--sizes 100000x50,...]      whole processes on Parquet files: seconds, memory

Evidently and NannyML are installed into environments of their own below out/peers; a peer that does not install or
does not run is told and left out. Nothing passes or fails but the calibration, whose lower bounds must not exceed 5 %.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
OUT = ROOT / "out"
PEERS = {"evidently": ["evidently", "pandas<3"], "nannyml": ["nannyml", "statsmodels"]}
CATEGORIES = 8
SIGNIFICANCE = 0.05

#: Read two Parquet files, print the columns that are said to have drifted, one JSON list.
PROGRAMS = {
    "evidently": """
import sys, json, pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
ref, cur = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
found = Report([DataDriftPreset()]).run(cur, ref).dict()
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
ref, cur = pd.read_parquet(sys.argv[1]), pd.read_parquet(sys.argv[2])
calc = nml.UnivariateDriftCalculator(column_names=list(ref.columns), chunk_number=10,
    continuous_methods=["kolmogorov_smirnov"], categorical_methods=["chi2"])
found = calc.fit(ref).calculate(cur).filter(period="analysis").to_df()
drifted = sorted({c[0] for c in found.columns if c[-1] == "alert" and found[c].any()})
print(json.dumps(drifted))
""",
}


def peer(name: str) -> Path | None:
    """The interpreter of a peer's environment, made when there is none; None when it can not be had."""
    python = OUT / "peers" / name / "bin" / "python"
    if not python.exists():
        made = subprocess.run(["uv", "venv", "-q", "-p", "3.11", OUT / "peers" / name], check=False)
        packages = ["uv", "pip", "install", "-q", "-p", python, *PEERS[name]]
        if made.returncode or subprocess.run(packages, check=False).returncode:
            return None
    return python


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


def speed(sizes: list[str], peers_up_to: int) -> int:
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
            python = peer(name) if rows * columns <= peers_up_to else None
            if python is not None:
                commands[name] = [python, "-c", program, *files]
        for name, command in commands.items():
            found = measured(command)
            found.pop("out")
            print(json.dumps({"size": size, "tool": name, **found, "load": round(os.getloadavg()[0], 1)}), flush=True)
        for file in files:
            file.unlink()
    return 0


def calibration(repetitions: int) -> int:
    """The table of family-wise error; 1 when a lower bound exceeds the level."""
    from scipy import stats
    from tests.accuracy.test_drift import CALIBRATION, DEPENDENT, DEPENDENT_SHAPES, NO_GATE, WITH_JOINT, Shape
    from tests.accuracy.test_drift import family_wise_rate as rate

    worst = 0
    cases = [(shape, NO_GATE) for shape in CALIBRATION] + [(shape, DEPENDENT) for shape in DEPENDENT_SHAPES]
    cases.append((Shape("with joint drift", 500, 500, 5, 5), WITH_JOINT))
    for shape, asked in cases:
        columns = shape.numeric + shape.categorical
        runs = max(repetitions // (4 if columns >= 1000 or asked is not NO_GATE else 1), 1)
        alarms = rate(shape, runs, asked, seed=2)
        interval = stats.binomtest(alarms, runs).proportion_ci(method="exact")
        line = f"{shape.name} | {columns} | {shape.reference}/{shape.current} | {alarms}/{runs}"
        print(f"{line} | {alarms / runs:.1%} ({interval.low:.1%} to {interval.high:.1%})", flush=True)
        worst = max(worst, int(interval.low > SIGNIFICANCE))
    return worst


def power(repetitions: int, rows: int) -> int:
    """Columns found at shifts of 0.1 to 1 sd, one table of ten columns a repetition.

    Peers alarm at their defaults; beside each is how often they alarm on the same tables without a shift, and what
    ours finds at the uncorrected level that gives as many false alarms.
    """
    from firedrill.api.driftcheck import DriftThresholds, Joint
    from firedrill.engines.drift import Asked, check

    loose = DriftThresholds(min_ks_effect=0, min_categorical_effect=0)
    settings = {
        "before limits": Asked(thresholds=loose, joint=Joint(enabled=False)),
        "after limits": Asked(joint=Joint(enabled=False)),
    }
    shifts = [0.0, 0.1, 0.2, 0.3, 0.5, 1.0]
    OUT.mkdir(exist_ok=True)
    files = OUT / "power-reference.parquet", OUT / "power-current.parquet"
    pythons = {name: python for name in PROGRAMS if (python := peer(name)) is not None}
    found: dict[str, list[float]] = {name: [] for name in (*settings, *pythons)}
    raw: list[list[float]] = []
    for shift in shifts:
        counts, p_values = dict.fromkeys(found, 0), []
        for seed in range(repetitions):
            write(files[0], rows, 10, 2 * seed)
            write(files[1], rows, 10, 2 * seed + 1, shift)
            tables = pq.read_table(files[0]), pq.read_table(files[1])
            for name, asked in settings.items():
                report = check(*tables, asked, 1)
                counts[name] += sum(c.drift for c in report.columns if c.name.startswith("n"))
                if name == "before limits":
                    p_values += [c.tests[0].p_value for c in report.columns if c.name.startswith("n")]
            for name, python in pythons.items():
                said = measured([python, "-c", PROGRAMS[name], *files])
                if not said["exit"]:
                    counts[name] += sum(column.startswith("n") for column in json.loads(said["out"].splitlines()[-1]))
        for name, count in counts.items():
            found[name].append(count / (repetitions * 8))
        raw.append(p_values)
    print(f"{'rows':>5} {rows:>6}, share of numeric columns found at a shift of", *shifts)
    for name, shares in found.items():
        print(f"{name:>16}", *(f"{share:6.1%}" for share in shares))
        if name in pythons and shares[0] > 0:
            level = float(np.quantile(raw[0], shares[0]))
            print(f"{'ours at its rate':>16}", *(f"{np.mean(np.array(p) <= level):6.1%}" for p in raw))
    return 0


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("calibration", "power", "speed"))
    parser.add_argument("--repetitions", type=int, default=0, help="2000 for calibration, 100 for power")
    parser.add_argument("--rows", type=int, default=1000, help="rows of each side for power")
    parser.add_argument("--sizes", default="100000x50,1000000x20,1000000x100", help="rows x columns, for speed")
    parser.add_argument("--peers-up-to", type=int, default=20_000_000, help="most cells that peers are given")
    args = parser.parse_args()
    if args.what == "calibration":
        return calibration(args.repetitions or 2000)
    if args.what == "power":
        return power(args.repetitions or 100, args.rows)
    return speed(args.sizes.split(","), args.peers_up_to)


if __name__ == "__main__":
    sys.exit(main())
