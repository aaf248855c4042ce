"""``make bench-pipeline``: the checks of DataPipelineTest on a million rows, beside pandera and DuckDB in the same run.

Twelve columns, 22 checks that the three can all express: types, missing values, bounds, uniqueness, lists, forms. The
peers run in an environment of their own, made once below FIREDRILL_HOME. Times are of the checks alone, on a table in
memory in the form that each likes best (Arrow for us and DuckDB, pandas for pandera); the best and the median of
several repetitions. Each tool must find the same numbers of failing rows. Nothing passes or fails by a time.
"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

PEERS: Final = ("pandera[pandas]", "duckdb", "pyarrow")
_COUNTRIES: Final = ("CH", "DE", "FR", "GB", "US", "IT", "ES", "NL")
_STATUS: Final = ("new", "open", "done", "gone")
_EMAIL: Final = r"[a-z0-9]+@[a-z]+\.[a-z]{2,3}"
_NULLS: Final = ("id", "user", "amount", "quantity", "country", "status", "booked")
_RANGES: Final = (("amount", 0.0, 1000.0), ("quantity", 1, 100), ("score", 0.0, 1.0), ("user", 0, 10**9))
_LISTS: Final = (("country", _COUNTRIES), ("status", _STATUS), ("currency", ("CHF", "EUR", "USD")))


def write(path: Path, rows: int) -> None:
    """A table with a few faults of each kind, from a fixed seed."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    identifiers = np.arange(rows)
    identifiers[-3:] = 0
    amount = np.round(rng.lognormal(3, 0.8, rows).clip(0, 999), 2)
    amount[:5] = -1
    emails = np.array([f"user{number}@mail.com" for number in range(rows)], dtype=object)
    emails[:7] = "nobody"
    country = rng.choice(_COUNTRIES, rows).astype(object)
    country[:11] = "XX"
    quantity = rng.integers(1, 100, rows)
    table = pa.table(
        {
            "id": identifiers,
            "user": rng.integers(0, 50_000, rows),
            "amount": amount,
            "quantity": pa.array(quantity, mask=quantity == 0),
            "country": country,
            "currency": rng.choice(("CHF", "EUR", "USD"), rows),
            "status": rng.choice(_STATUS, rows),
            "email": emails,
            "score": rng.random(rows),
            "flag": rng.random(rows) < 0.5,
            "booked": pa.array(1_700_000_000 + np.arange(rows), pa.timestamp("s")),
            "note": pa.array(rng.choice(("a", "b", "c"), rows), mask=rng.random(rows) < 0.2),
        }
    )
    pq.write_table(table, path)


def ours(path: Path, repetitions: int) -> dict[str, Any]:
    """Our engine: 22 checks."""
    import pyarrow.parquet as pq

    from firedrill.api.datapipelinetest import DataCheck
    from firedrill.engines.pipeline import Data, Subject, check

    class InMemory:
        def __init__(self, table: Any) -> None:
            self.names, self.num_rows, self._table = table.column_names, table.num_rows, table

        def column(self, index: int) -> Any:
            return self._table.column(index)

    types = {"id": "integer", "amount": "number", "country": "text", "flag": "boolean", "booked": "time"}
    asked: list[dict[str, Any]] = [{"schema": {"columns": [{"name": n, "type": t}]}} for n, t in types.items()]
    asked += [{"nulls": {"columns": [name]}} for name in _NULLS]
    asked += [{"range": {"columns": [name], "min": low, "max": high}} for name, low, high in _RANGES]
    asked += [{"allowed": {"column": name, "values": list(values)}} for name, values in _LISTS]
    asked += [{"pattern": {"column": "email", "regex": _EMAIL}}, {"unique": {"columns": ["id"]}}]
    asked += [{"nulls": {"columns": ["note"], "maxShare": 0.5}}]
    checks = [DataCheck.model_validate(each) for each in asked]
    table = pq.read_table(path)
    now = datetime(2025, 1, 1, tzinfo=UTC)

    def run() -> dict[str, int]:
        report = check(checks, Subject(Data(InMemory(table)), now))
        bad = {}
        for each in report.checks:
            for finding in each.findings:
                if finding.passed is False:
                    bad[finding.name] = int(finding.detail.split()[0])
        return bad

    return {"checks": len(checks), **_timed(run, repetitions)}


def pandera(path: Path, repetitions: int) -> dict[str, Any]:
    """pandera, the same 22 checks, lazily, so that it looks at all of them."""
    import pandas as pd
    import pandera.pandas as pa

    nulls = set(_NULLS)
    checks: dict[str, list[Any]] = {}
    for name, low, high in _RANGES:
        checks.setdefault(name, []).append(pa.Check.in_range(low, high))
    for name, values in _LISTS:
        checks.setdefault(name, []).append(pa.Check.isin(values))
    checks.setdefault("email", []).append(pa.Check.str_matches(_EMAIL + "$"))
    checks.setdefault("note", []).append(pa.Check(lambda column: column.isna().mean() <= 0.5, ignore_na=False))
    types = {"id": "int64", "amount": "float64", "flag": "bool", "booked": "datetime64[s]"}
    frame = pd.read_parquet(path)
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(
                types.get(name), checks.get(name, []), nullable=name not in nulls, unique=name == "id", coerce=False
            )
            for name in frame.columns
        }
    )

    def run() -> dict[str, int]:
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as error:
            cases = error.failure_cases
            return {str(name): len(part) for name, part in cases.groupby("column")}
        return {}

    return {"checks": 22, **_timed(run, repetitions)}


def duckdb(path: Path, repetitions: int) -> dict[str, Any]:
    """DuckDB, all counts in one pass over the same Arrow table."""
    import duckdb as db
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    parts = [f"count(*) FILTER ({name} IS NULL)" for name in (*_NULLS, "note")]
    parts += [f"count(*) FILTER ({name} NOT BETWEEN {low} AND {high})" for name, low, high in _RANGES]
    for name, values in _LISTS:
        listed = ", ".join(f"'{value}'" for value in values)
        parts.append(f"count(*) FILTER ({name} NOT IN ({listed}))")
    parts += [f"count(*) FILTER (NOT regexp_full_match(email, '{_EMAIL}'))", "count(id) - count(DISTINCT id)"]
    connection = db.connect()
    connection.register("t", table)
    query = f"SELECT {', '.join(parts)} FROM t"  # noqa: S608 - of the constants above

    def run() -> dict[str, int]:
        # Types come from the description, which is free.
        found = connection.execute(query).fetchone()
        assert found is not None
        return {part: count for part, count in zip(parts, found, strict=True) if count}

    return {"checks": len(parts) + 5, **_timed(run, repetitions)}


def _timed(run: Callable[[], Any], repetitions: int) -> dict[str, Any]:
    found, seconds = run(), []
    for _ in range(repetitions):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"found": found, "best": min(seconds), "median": statistics.median(seconds), "peak": peak}


TOOLS: Final[dict[str, Callable[[Path, int], dict[str, Any]]]] = {
    "ours": ours,
    "pandera": pandera,
    "duckdb": duckdb,
}


def _peers() -> str:
    """The interpreter of the peers' environment, made once for each list of peers."""
    home = Path(os.environ.get("FIREDRILL_HOME") or Path.home() / ".cache" / "firedrill")
    folder = home / "venvs" / f"peers-{hashlib.sha256(repr(PEERS).encode()).hexdigest()[:12]}"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PEERS], check=True)
        (folder / "ready").touch()
    return str(folder / "bin" / "python")


def main() -> int:
    """Run the benchmark; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--peers", help="interpreter of an environment that has the peers; made when absent")
    parser.add_argument("--tool", choices=TOOLS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tool:
        print(json.dumps(TOOLS[args.tool](args.file, args.repetitions)))
        return 0
    interpreters = {"ours": sys.executable}
    interpreters |= dict.fromkeys(("pandera", "duckdb"), args.peers or _peers())
    # Here alone: the peers' environment has none of it.
    from rich.console import Console
    from rich.table import Table

    shown = Table("tool", "checks", "best, s", "median, s", "peak, MB", "failing rows found")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        write(file, args.rows)
        for tool, interpreter in interpreters.items():
            command = [interpreter, __file__, "--tool", tool, "--file", str(file)]
            command += ["--repetitions", str(args.repetitions)]
            ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found = json.loads(ended.stdout.splitlines()[-1])
            counts = ", ".join(str(count) for count in sorted(found["found"].values()))
            figures = (f"{found['best']:.3f}", f"{found['median']:.3f}", f"{found['peak']:.0f}")
            shown.add_row(tool, str(found["checks"]), *figures, counts)
    Console(width=None if sys.stdout.isatty() else 120).print(f"{args.rows:,} rows x 12; load {os.getloadavg()}", shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
