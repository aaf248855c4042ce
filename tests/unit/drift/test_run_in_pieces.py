"""DriftChecks of tables that are read in pieces: by one process, and by workers that share them."""

import asyncio
import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.runner.drift import run
from firedrill.runner.parts import Crew, PartDone, PodCrew
from firedrill.runner.ports import SystemClock
from firedrill.sources.context import SourceContext
from support.config_maps import Store

ROWS = 6000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three Parquet files with two row groups each."""
    base, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(5)
    for name, shift in (("reference", 0.0), ("same", 0.0), ("moved", 1.0)):
        for part in range(3):
            (base / name).mkdir(exist_ok=True)
            table = pa.table({"x": rng.normal(shift, 1, ROWS), "c": rng.choice(["a", "b"], ROWS)})
            pq.write_table(table, base / name / f"{part}.parquet", row_group_size=ROWS // 2)
    return base


def task(base: Path, named: str = "same", **spec: Any) -> Task:
    now = datetime.now(UTC)
    return Task(
        kind="DriftCheck",
        namespace="n",
        name="d",
        uid="u",
        run_id="r",
        cluster="c",
        runner_namespace="f",
        job="j",
        job_uid="ju",
        started_at=now,
        deadline=now + timedelta(seconds=40),
        image="",
        policy=TargetPolicy(),
        spec={
            "clusters": {"names": ["x"]},
            "reference": {"file": {"path": str(base / "reference")}},
            "current": {"file": {"path": str(base / named)}},
            **spec,
        },
    )


async def drift(made: Task, crew: Crew | None = None, memory: int = 2**40) -> Result:
    async with httpx.AsyncClient() as http:
        result = await run(made, SourceContext(http, allow_files=True), crew=crew, memory=lambda: memory)
    json.dumps(result.to_wire(), allow_nan=False)
    return result


async def crewed(base: Path, current: str, size: int, store: Store | None = None, **spec: Any) -> list[Any]:
    made, held = task(base, current, scale={"workers": size}, **spec), store or Store()
    crews = [PodCrew(held, SystemClock(), made, i, size) for i in range(size)]  # type: ignore[arg-type]
    return await asyncio.gather(*(drift(made, crew) for crew in crews), return_exceptions=True)


@pytest.mark.parametrize(
    ("scale", "memory", "sketched"),
    [
        ({}, 2**40, False),
        ({"mode": "Exact"}, 2**40, False),
        ({}, 2**20, True),
        ({"mode": "Sketch"}, 2**40, True),
        # Offline there are no others: one process does the work of all.
        ({"workers": 3}, 2**40, True),
    ],
)
@pytest.mark.parametrize(("current", "verdict"), [("same", Verdict.PASSED), ("moved", Verdict.FAILED)])
async def test_one_process_decides_by_sketches_where_it_must(
    data: Path, current: str, verdict: Verdict, scale: dict[str, Any], memory: int, sketched: bool
) -> None:
    result = await drift(task(data, current, scale=scale), memory=memory)
    assert result.verdict is verdict, result.message
    assert (result.report["sketched"] is not None) == sketched
    assert result.report["rows"] == {"reference": 3 * ROWS, "current": 3 * ROWS}


@pytest.mark.parametrize("size", [2, 8])
async def test_workers_share_the_pieces_and_the_first_decides(data: Path, size: int) -> None:
    leader, *others = await crewed(data, "moved", size)
    assert all(isinstance(other, PartDone) for other in others)
    assert (leader.verdict, leader.reason) == (Verdict.FAILED, "DriftDetected"), leader.message
    assert leader.report["rows"] == {"reference": 3 * ROWS, "current": 3 * ROWS}
    assert leader.report["sketched"]["workers"] == size
    [column] = [each for each in leader.report["columns"] if each["name"] == "x"]
    # A normal shift of one standard deviation is a distance of 0.383.
    assert column["statistic"] == pytest.approx(0.383, abs=0.03)


async def test_what_stops_a_worker_is_what_the_run_ends_with(data: Path, tmp_path: Path) -> None:
    for name in ("reference", "current"):
        (tmp_path / name).mkdir()
        for part in range(2):
            pq.write_table(pa.table({"x": np.arange(5000.0)}), tmp_path / name / f"{part}.parquet", compression="zstd")
    damaged = tmp_path / "current" / "1.parquet"
    body = bytearray(damaged.read_bytes())
    body[20:2000] = bytes(1980)
    damaged.write_bytes(bytes(body))
    leader, other = await crewed(tmp_path, "current", 2)
    assert isinstance(other, PartDone)
    assert (leader.verdict, leader.reason) == (Verdict.ERROR, "InvalidData")
    assert "a worker: spec.current: column 'x' can not be read" in leader.message


@pytest.mark.parametrize("group", [ROWS // 2, ROWS])
async def test_data_that_is_changed_while_it_is_read_says_nothing(data: Path, tmp_path: Path, group: int) -> None:
    for name in ("reference", "current"):
        (tmp_path / name).mkdir()
    rng, held = np.random.default_rng(6), Store()

    def write(name: str, shift: float, size: int) -> None:
        pq.write_table(pa.table({"x": rng.normal(shift, 1, ROWS)}), tmp_path / name / "0.parquet", row_group_size=size)

    write("reference", 0, ROWS // 2)
    write("current", 0, ROWS // 2)
    made = task(tmp_path, "current", scale={"workers": 2})
    leader, other = (PodCrew(held, SystemClock(), made, i, 2) for i in range(2))  # type: ignore[arg-type]
    with pytest.raises(PartDone):
        await drift(made, other)
    # As many rows, in as many row groups, or in one: the first worker reads another version.
    write("current", 3, group)
    result = await drift(made, leader)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "SourceChanged")
    assert "spec.current: " in result.message
    assert "the data was changed while it was read" in result.message


@pytest.mark.parametrize(
    "part",
    [{}, {"reference": {"rows": 1}}, {"ended": {"verdict": "Great"}}, {"ended": {}}],
)
async def test_a_part_that_is_none_is_not_believed(data: Path, part: dict[str, Any]) -> None:
    store = Store()
    packed = base64.b64encode(zlib.compress(json.dumps(part).encode())).decode()
    store.maps["/api/v1/namespaces/f/configmaps/j-part-1"] = {"binaryData": {"part.json.zlib": packed}}
    made = task(data, "same", scale={"workers": 2})
    result = await drift(made, PodCrew(store, SystemClock(), made, 0, 2))  # type: ignore[arg-type]
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "WorkerMissing")
    assert "can not be read" in result.message


@pytest.mark.parametrize(
    ("spec", "memory", "said"),
    [
        ({"scale": {"mode": "Exact"}}, 2**20, "spec.scale.mode: Exact takes about"),
        ({"scale": {"mode": "Exact"}}, 2**20, "set spec.scale.mode to Sketch, or raise spec.jobTemplate"),
        ({"target": "c"}, 2**20, "spec.target: needs the rows themselves"),
        ({"rows": {"dependent": True}}, 2**20, "spec.rows.dependent"),
        ({"scale": {"workers": 2, "mode": "Exact"}}, 2**40, "spec.scale: workers must be 1 with mode Exact"),
        ({"scale": {"mode": "Sketch"}, "segments": {"column": "c"}}, 2**40, "segments can not be set with scale.mode"),
        ({"scale": {"workers": 2}, "target": "c"}, 2**40, "target can not be set with scale.mode Sketch"),
    ],
)
async def test_what_can_not_be_had_names_the_field(data: Path, spec: dict[str, Any], memory: int, said: str) -> None:
    result = await drift(task(data, "same", **spec), memory=memory)
    assert (result.verdict, result.reason) == (Verdict.ERROR, "InvalidSpec")
    assert said in result.message


async def test_windows_are_taken_in_each_piece(data: Path, tmp_path: Path) -> None:
    days = [f"2025-01-{1 + i % 28:02d}" for i in range(3000)]
    values = [float(i % 28 >= 14) * 9 + i % 7 for i in range(3000)]
    pq.write_table(pa.table({"at": days, "x": values}), tmp_path / "a.parquet", row_group_size=700)
    source = {"file": {"path": str(tmp_path / "a.parquet")}}
    made = task(
        data,
        reference={**source, "window": {"column": "at", "until": "2025-01-15"}},
        current={**source, "window": {"column": "at", "from": "2025-01-15"}},
        scale={"mode": "Sketch"},
        columns={"include": ["x"]},
    )
    result = await drift(made)
    assert result.verdict is Verdict.FAILED, result.message
    assert sum(result.report["rows"].values()) == 3000


async def test_a_window_over_what_is_no_time_names_the_side(data: Path) -> None:
    current = {"file": {"path": str(data / "same")}, "window": {"column": "c", "from": "2025-01-15"}}
    result = await drift(task(data, current=current, scale={"mode": "Sketch"}))
    assert (result.verdict, result.reason) == (Verdict.ERROR, "InvalidData")
    assert result.message.startswith("spec.current: ")
