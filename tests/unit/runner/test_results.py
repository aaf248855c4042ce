"""The result: written once, and made to fit."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chaos_clock import T0, VirtualClock
from chaos_cluster import World
from chaos_lab import JOB, PACKET_LOSS, spec, task
from chaos_process import Process

from firedrill.api.task import Result
from firedrill.api.verdict import Measurement, Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import Forbidden, Unreachable
from firedrill.runner import results

TASK = task(spec(PACKET_LOSS))
PATH = paths.configmaps("firedrill", f"{JOB}-result")


def result(report: dict[str, Any] | None = None, message: str = "all is well") -> Result:
    return results.make(
        TASK,
        Verdict.PASSED,
        "SteadyStateHeld",
        message,
        started_at=T0,
        finished_at=T0 + timedelta(seconds=9),
        measurements=[Measurement(name="recoveryTime", value=1.5, unit="s", limit="<= 60", passed=True)],
        report=report,
    )


def size(found: Result) -> int:
    return len(json.dumps(found.to_wire(), separators=(",", ":")).encode())


def test_what_fits_stays_whole() -> None:
    small = result({"rows": [1, 2, 3]})
    assert results.fit(small) is small


@pytest.mark.parametrize(
    "report",
    [
        {"samples": {"columns": ["a"], "rows": [[number, "x" * 40] for number in range(20_000)]}},
        {"log": "line\n" * 200_000},
        {"a": {str(number): "x" * 100 for number in range(5_000)}},
        {"small": [1], "big": ["é" * 1000] * 900, "other": {"deep": {"deeper": list(range(90_000))}}},
    ],
    ids=["rows", "text", "keys", "mixed"],
)
def test_a_long_report_is_shortened_and_says_so(report: dict[str, Any]) -> None:
    long = result(report)
    short = results.fit(long)
    assert size(long) > results.LIMIT_BYTES >= size(short)
    assert short.shortened
    assert (short.verdict, short.message, short.measurements) == (long.verdict, long.message, long.measurements)


def test_rows_are_thinned_out_over_their_whole_length() -> None:
    report = {"samples": {"columns": ["n"], "rows": [[number, "x" * 30] for number in range(20_000)]}}
    rows = results.fit(result(report)).report["samples"]["rows"]
    assert len(rows) > 1000
    assert (rows[0][0], rows[-1][0] > 19_000) == (0, True)


def test_a_message_fits_into_status() -> None:
    assert len(result(message="m" * 5000).message) <= 1024


async def test_it_is_written_once_and_belongs_to_its_job() -> None:
    clock = VirtualClock()
    world = World(clock)
    process = Process(world, "test")
    assert await clock.run(results.write(process, clock, TASK, result()))
    assert not await clock.run(results.write(process, clock, TASK, result(message="another")))
    body = world.objects[PATH]
    assert json.loads(body["data"]["result.json"])["message"] == "all is well"
    assert body["metadata"]["labels"]["firedrill.dev/role"] == "result"
    assert body["metadata"]["ownerReferences"][0]["uid"] == "job-uid"


async def test_a_lost_answer_is_asked_for_again_and_a_refusal_is_told() -> None:
    clock = VirtualClock()
    process = Process(World(clock), "test")
    answers = iter([Unreachable("no answer")] * 3)
    process.fail = lambda _verb, _path: next(answers, None)
    assert await clock.run(results.write(process, clock, TASK, result()))
    process.fail = lambda _verb, _path: Forbidden(403, "Forbidden", "no")
    with pytest.raises(Forbidden):
        await clock.run(results.write(process, clock, TASK, result()))


def test_the_termination_message_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    results.leave_message(result(message="two\nlines"), path)
    assert path.read_text() == "Passed SteadyStateHeld: two lines"
    results.leave_message(result(), tmp_path / "missing" / "log")  # nothing to write to is no error
