"""A DriftCheck of tables that are larger than memory, shared by the workers of an Indexed Job, beside the exact way.

    python tools/bench_drift_shards.py [--rows 100000000] [--part 10000000] [--workers 8] [--at-once 2]

Writes Parquet shards of both sides below --folder (float32 and dictionaries: 6.5 GB a side at 10^8 x 20) and takes them
away at the end. Each worker is a process of its own that runs what the runner of a pod runs, with a folder in place of
the API server's ConfigMaps; as this machine has fewer cores than the Job has pods, --at-once of them run at a time, and
the one that merges last. First on --part rows, where the exact way is run too, and every distance of the sketches is
held against the exact one and the error that was told; then with all of them. --whole names columns that are
compared exactly over all rows as well: that takes some 6 GB at 10^8. Fails when a distance is further off than told.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_drift import measured

from firedrill.api.driftcheck import DriftColumns, Joint
from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Result, Task
from firedrill.clusters.errors import NotFound
from firedrill.engines.drift import Asked, check
from firedrill.runner.parts import PartDone, PodCrew
from firedrill.runner.ports import SystemClock
from firedrill.sources.read import parse_path

SHARD_ROWS = 1_000_000
CATEGORIES = 8
#: Column i of the current side is shifted by this many standard deviations times i.
SHIFT = 0.02
SIDES = ("reference", "current")


class FolderStore:
    """ConfigMaps as files of a folder, for processes that meet there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, path: str, params: Any = None) -> Any:  # noqa: ARG002 - as a cluster is asked
        """A map; raises NotFound."""
        try:
            return json.loads((self._folder / path.rpartition("/")[2]).read_text())
        except FileNotFoundError:
            raise NotFound(404, "NotFound", path) from None

    async def create(self, path: str, body: Any, *, dry_run: bool = False) -> Any:  # noqa: ARG002 - as a cluster is
        """Keep a map."""
        written = self._folder / f".{body['metadata']['name']}"
        written.write_text(json.dumps(body))
        written.rename(self._folder / body["metadata"]["name"])
        return body


def write_shard(folder: Path, side: int, shard: int, columns: int, rows: int) -> None:
    """Four fifths numbers, one fifth categories; what it holds depends on side and shard alone."""
    rng = np.random.default_rng((side, shard))
    names = pa.array([f"v{k}" for k in range(CATEGORIES)])
    numeric = columns - columns // 5
    made: dict[str, Any] = {}
    for i in range(numeric):
        made[f"n{i}"] = rng.standard_normal(rows, dtype=np.float32) + np.float32(side * SHIFT * i)
    for i in range(columns - numeric):
        codes = pa.array(rng.integers(0, CATEGORIES, rows).astype(np.int8))
        made[f"c{i}"] = pa.DictionaryArray.from_arrays(codes, names)
    categories = [name for name in made if name.startswith("c")]
    path = folder / SIDES[side] / f"{shard:05d}.parquet"
    pq.write_table(pa.table(made), path, compression="none", use_dictionary=categories, row_group_size=rows)


def task(folder: Path, workers: int) -> Task:
    """What the operator would hand to the runner."""
    now = datetime.now(UTC)
    spec = {
        "clusters": {"names": ["bench"]},
        "timeout": "24h",
        "scale": {"mode": "Sketch", "workers": workers},
        **{side: {"file": {"path": str(folder / side)}} for side in SIDES},
    }
    fields = dict.fromkeys(("namespace", "name", "uid", "run_id", "cluster", "runner_namespace", "job", "job_uid"), "b")
    end = now + timedelta(hours=24)
    return Task(kind="DriftCheck", started_at=now, deadline=end, image="", policy=TargetPolicy(), spec=spec, **fields)


def worker(folder: Path, meeting: Path, index: int, workers: int) -> None:
    """One pod of the Job; the first prints its report."""
    import httpx

    from firedrill.runner.drift import run
    from firedrill.sources.context import SourceContext

    async def work() -> Result | None:
        made = task(folder, workers)
        crew = PodCrew(FolderStore(meeting), SystemClock(), made, index, workers)  # type: ignore[arg-type]
        async with httpx.AsyncClient() as http:
            try:
                return await run(made, SourceContext(http, allow_files=True), crew=crew)
            except PartDone:
                return None

    result = asyncio.run(work())
    print(json.dumps(result.to_wire() if result else None))


def exact(folder: Path, names: list[str]) -> None:
    """The exact way, one column at a time, printed as the report is."""
    reference, current = (parse_path(folder / side, None) for side in SIDES)
    asked = Asked(joint=Joint(enabled=False), columns=DriftColumns(include=names))
    print(json.dumps(check(reference, current, asked, workers=1).to_json()))


def itself(*args: object) -> list[str | Path]:
    """This program in a process of its own."""
    return [sys.executable, __file__, *(str(each) for each in args)]


def crew(folder: Path, workers: int, at_once: int) -> dict[str, Any]:
    """All workers, the merging one last, and what they took."""
    with tempfile.TemporaryDirectory() as meeting:
        started = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            commands = [
                itself("--worker", i, "--workers", workers, "--folder", folder, "--meeting", meeting)
                for i in (*range(1, workers), 0)
            ]
            found = list(pool.map(measured, commands))
        took = time.perf_counter() - started
        parts = [file.stat().st_size for file in Path(meeting).iterdir()]
    if any(each["exit"] for each in found):
        raise SystemExit(f"workers ended with {[each['exit'] for each in found]}")
    return {
        "report": json.loads(found[-1]["out"])["report"],
        "message": json.loads(found[-1]["out"])["message"],
        "seconds": round(took, 1),
        "processor": round(sum(each["processor"] for each in found), 1),
        "slowest worker": max(each["seconds"] for each in found),
        "MB of the largest worker": max(each["MB"] for each in found),
        "KiB of the largest part": max(parts, default=0) // 1024,
    }


def compare(sketched: dict[str, Any], by_exact: dict[str, Any]) -> int:
    """Print the errors of all columns; 1 when one is larger than was told."""
    ours = {column["name"]: column for column in sketched["columns"]}
    worst: dict[str, tuple[float, float]] = {}
    wrong = 0
    for column in by_exact["columns"]:
        one, other = column["tests"][0], ours[column["name"]]["tests"][0]
        margin = other.get("margin") or {"reference": 0.0, "current": 0.0, "effect": 0.0}
        told = {"statistic": margin["reference"] + margin["current"], "effect": margin["effect"]}
        kind = "numbers" if "margin" in other else "counted"
        for what, most in told.items():
            off = abs(one[what] - other[what])
            # What is counted is the same number; chi-square is summed in another order.
            wrong |= int(off > most + 1e-9 * max(abs(one[what]), 1))
            worst[f"{kind} {what}"] = max(worst.get(f"{kind} {what}", (0.0, 0.0)), (off, most))
    for name, (off, most) in worst.items():
        print(f"    {name}: off by {off:.6f} at most, told {most:.6f}", flush=True)
    otherwise = {c["name"] for c in by_exact["columns"] if c["drift"] != ours[c["name"]]["drift"]}
    open_ = {c["name"] for c in sketched["columns"] if c["reason"] == "SketchTooCoarse"}
    print(f"    said otherwise: {sorted(otherwise) or 'none'}; left open: {sorted(open_) or 'none'}", flush=True)
    return wrong | int(bool(otherwise - open_))


def shown(title: str, found: dict[str, Any]) -> None:
    """Figures of a run, in one line."""
    figures = {name: value for name, value in found.items() if name not in ("report", "out")}
    print(f"{title}: {json.dumps(figures)}; load {os.getloadavg()[0]:.1f}", flush=True)


def write(folder: Path, shards: range, columns: int, at_once: int) -> None:
    """Write these shards of both sides, and say what they take."""
    started = time.perf_counter()
    with get_context("spawn").Pool(at_once) as pool:
        pool.starmap(write_shard, [(folder, side, shard, columns, SHARD_ROWS) for side in (0, 1) for shard in shards])
    files = list(folder.rglob("*.parquet"))
    size = sum(file.stat().st_size for file in files) / 1e9
    print(
        f"{len(files)} shards, {size:.1f} GB, after {time.perf_counter() - started:.0f} s more of writing", flush=True
    )


def bench(args: argparse.Namespace, folder: Path) -> int:
    """Write, compare, and hold against the exact way: the part first, then with the rest."""
    for side in SIDES:
        (folder / side).mkdir()
    shards, of_part = args.rows // SHARD_ROWS, args.part // SHARD_ROWS
    write(folder, range(of_part), args.columns, args.at_once)
    found = crew(folder, args.workers, args.at_once)
    shown(f"sketches, {args.part} x {args.columns} a side, {args.workers} workers", found)
    beside = measured(itself("--exact", "--folder", folder))
    shown(f"exact, {args.part} x {args.columns} a side, one column at a time", beside)
    failed = compare(found["report"], json.loads(beside["out"]))
    if shards > of_part:
        write(folder, range(of_part, shards), args.columns, args.at_once)
        found = crew(folder, args.workers, args.at_once)
        shown(f"sketches, {args.rows} x {args.columns} a side, {args.workers} workers", found)
        for name in args.whole:
            beside = measured(itself("--exact", "--folder", folder, "--whole", name))
            shown(f"exact, {args.rows} rows of {name}", beside)
            failed |= compare(found["report"], json.loads(beside["out"]))
    return failed


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000, help="of each side")
    parser.add_argument("--part", type=int, default=10_000_000, help="rows that are compared exactly too")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--whole", nargs="*", default=[], help="columns that are compared exactly over all rows")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--meeting", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--exact", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        worker(args.folder, args.meeting, args.worker, args.workers)
        return 0
    if args.exact:
        exact(args.folder, args.whole)
        return 0
    folder = Path(tempfile.mkdtemp(prefix="firedrill-shards-", dir=args.folder))
    try:
        return bench(args, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
