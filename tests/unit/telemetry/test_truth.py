"""Which flags were on and which experiments ran, from what was recorded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firedrill.engines.telemetry.tables import InvalidRecord
from firedrill.engines.telemetry.truth import Window, experiments, flags

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=10))


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def document(minutes: float, *on: tuple[str, str, float]) -> dict[str, Any]:
    listed = [{"service": service, "name": name, "value": value} for service, name, value in on]
    return {"time": at(minutes), "record": "flags", "document": json.dumps({"flags": listed})}


def written(minutes: float, text: str) -> dict[str, Any]:
    return {"time": at(minutes), "record": "flags", "document": text}


SLOW = ("ledger", "slow", 0.5)
LEAK = ("*", "memoryLeak", 4.0)


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        ([], []),
        ([document(1, SLOW), document(3)], [(1, 3, *SLOW)]),
        ([document(1, SLOW), document(2, SLOW), document(3)], [(1, 3, *SLOW)]),
        ([document(1, SLOW), document(2, SLOW, LEAK)], [(1, None, *SLOW), (2, None, *LEAK)]),
        ([document(1, SLOW), document(2, ("ledger", "slow", 0.9))], [(1, 2, *SLOW), (2, None, "ledger", "slow", 0.9)]),
        ([document(1, SLOW), document(2, ("ledger", "slow", 0.0))], [(1, 2, *SLOW)]),
        ([document(-5, SLOW), document(3)], [(-5, 3, *SLOW)]),
        ([document(-5, SLOW), document(-3)], []),
        ([document(-5, SLOW), document(0)], []),
        ([document(1, SLOW), document(11)], [(1, None, *SLOW)]),
        ([document(10, SLOW)], []),
        ([document(1, SLOW), {"time": at(2), "record": "flags", "document": ""}], [(1, 2, *SLOW)]),
        ([document(1, SLOW), {"time": at(2), "record": "flags", "document": "{"}], [(1, None, *SLOW)]),
        ([document(1, SLOW), document(2, LEAK, ("ledger", "slow", 301.0))], [(1, None, *SLOW)]),
        ([document(1, SLOW), document(2, LEAK, ("ledger", "failure", -0.1))], [(1, None, *SLOW)]),
        ([document(1, SLOW), document(2, LEAK, ("ledger", "haste", 1.0))], [(1, None, *SLOW)]),
        ([document(1, SLOW), document(2, LEAK, ("", "slow", 1.0))], [(1, None, *SLOW)]),
        ([document(1, SLOW), document(2, LEAK, LEAK)], [(1, None, *SLOW)]),
        ([document(1, SLOW), written(2, '{"flags": [], "more": 1}')], [(1, None, *SLOW)]),
        ([document(1, SLOW), written(2, '{"flags": [{"service": "a", "name": "slow", "value": "1"}]}')],
         [(1, None, *SLOW)]),
        ([document(1, SLOW), written(2, '{"flags": null}')], [(1, 2, *SLOW)]),
        ([document(1, SLOW), written(2, "{}")], [(1, 2, *SLOW)]),
        ([document(1, SLOW), {"time": at(2), "record": "log", "line": "x"}], [(1, None, *SLOW)]),
    ],
)  # fmt: skip
def test_flags_are_on_from_the_document_that_sets_them_to_the_one_that_does_not(
    records: list[dict[str, Any]], wanted: list[tuple[float, float | None, str, str, float]]
) -> None:
    def minutes(time: datetime | None) -> float | None:
        return None if time is None else (time - START).total_seconds() / 60

    found = [
        (minutes(row["start"]), minutes(row["end"]), row["service"], row["name"], row["value"])
        for row in flags(records, WINDOW).to_pylist()
    ]
    assert found == wanted


def test_a_record_without_its_document_is_named() -> None:
    with pytest.raises(InvalidRecord, match="without their document"):
        flags([{"time": at(1), "record": "flags"}], WINDOW)


def experiment(namespace: str = "bank", uid: str = "here", message: str = "", **status: Any) -> dict[str, Any]:
    finding = {"type": "Injected", "status": "True", "reason": "FaultObserved", "message": message}
    return {
        "metadata": {"name": "kill", "namespace": "drills"},
        "spec": {
            "target": {"namespace": namespace, "matchLabels": {"app": "ledger"}},
            "fault": {"podKill": {"gracePeriodSeconds": 0}},
        },
        "status": {
            "lastRun": {"id": "2", "startedAt": at(2), "finishedAt": at(4)},
            "clusters": [{"name": "f", "clusterUid": uid, "verdict": "Passed", "findings": [finding]}],
            "history": [
                {"id": "2", "verdict": "Passed", "startedAt": at(2), "finishedAt": at(4)},
                {"id": "1", "verdict": "Failed", "startedAt": at(0), "finishedAt": at(1)},
                {"id": "0", "verdict": "Failed", "startedAt": at(-9), "finishedAt": at(-8)},
            ],
            **status,
        },
    }


def runs(*resources: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = experiments(resources, "bank", "here", WINDOW).to_pylist()
    return found


def test_runs_in_the_window_are_told_with_what_they_did() -> None:
    older, last = runs(experiment(message="2 pods from 12:02:10 to 12:02:40 UTC"))
    assert (older["run"], older["verdict"], older["fault_start"]) == ("1", "Failed", None)
    assert (last["run"], last["verdict"], last["injected"], last["fault"]) == ("2", "Passed", "True", "podKill")
    assert last["fault_start"] == START + timedelta(minutes=2, seconds=10)
    assert last["fault_end"] == START + timedelta(minutes=2, seconds=40)
    assert json.loads(last["target"])["matchLabels"] == {"app": "ledger"}


def test_a_run_that_goes_on_has_no_end_and_one_over_midnight_ends_the_next_day() -> None:
    run = {"id": "3", "startedAt": at(9)}
    assert runs(experiment(lastRun=run, history=[]))[0]["end"] is None
    night = {"id": "4", "startedAt": "2025-12-31T23:59:00Z", "finishedAt": at(1)}
    found = runs(experiment(message="1 pods from 23:59:30 to 00:00:10 UTC", lastRun=night, history=[]))[0]
    assert found["fault_end"] - found["fault_start"] == timedelta(seconds=40)


@pytest.mark.parametrize(
    "other", [experiment(namespace="shop"), experiment(uid="elsewhere"), {**experiment(), "status": {}}]
)
def test_what_was_aimed_elsewhere_or_never_ran_is_not_told(other: dict[str, Any]) -> None:
    assert runs(other) == []
