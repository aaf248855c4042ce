"""What workers leave for each other."""

import base64
import random
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Task
from firedrill.runner.parts import PartTooLarge, PodCrew, WorkerMissing
from firedrill.runner.ports import SystemClock
from support.config_maps import Store

NOW = datetime.now(UTC)
TASK = Task(
    kind="DriftCheck",
    namespace="n",
    name="d",
    uid="u",
    run_id="r",
    cluster="c",
    runner_namespace="f",
    job="j",
    job_uid="ju",
    started_at=NOW,
    deadline=NOW + timedelta(minutes=1),
    image="",
    policy=TargetPolicy(),
    spec={},
)


def crew(store: Store, index: int) -> PodCrew:
    return PodCrew(store, SystemClock(), TASK, index, 2)  # type: ignore[arg-type]


async def test_a_part_is_read_as_it_was_left() -> None:
    store, part = Store(), {"a": [1, 2.5, "ü"], "b": None}
    await crew(store, 1).hand_in(part)
    assert await crew(store, 0).collect(NOW) == [part]
    [left] = store.maps.values()
    assert left["metadata"]["ownerReferences"][0]["uid"] == "ju"


async def test_a_part_that_no_config_map_holds_is_not_left() -> None:
    store = Store()
    with pytest.raises(PartTooLarge, match="more than the 921600"):
        await crew(store, 1).hand_in({"noise": base64.b64encode(random.Random(1).randbytes(1_000_000)).decode()})
    assert not store.maps


def packed(data: bytes) -> dict[str, Any]:
    return {"binaryData": {"part.json.zlib": base64.b64encode(data).decode()}}


@pytest.mark.parametrize(
    "left",
    [
        {},
        {"binaryData": {"part.json.zlib": "%"}},
        packed(b"not packed"),
        packed(zlib.compress(b"{}")[:-5]),
        packed(zlib.compress(b"[1]")),
        packed(zlib.compress(b"{")),
        packed(zlib.compress(b" " * (65 * 1024**2), 1)),
    ],
)
async def test_what_no_worker_leaves_is_told_and_not_believed(left: dict[str, Any]) -> None:
    store = Store()
    store.maps["/api/v1/namespaces/f/configmaps/j-part-1"] = left
    with pytest.raises(WorkerMissing, match="what worker 1 has left can not be read"):
        await crew(store, 0).collect(NOW)


async def test_a_worker_that_leaves_nothing_is_missed() -> None:
    with pytest.raises(WorkerMissing, match="worker 1 of 2 did not hand in its part"):
        await crew(Store(), 0).collect(NOW)
