"""Records become tables, without those that tell which faults are on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from firedrill.engines.telemetry.schemas import STREAMS
from firedrill.engines.telemetry.tables import InvalidRecord, parse, table

TIME = "2026-01-01T00:00:00.123456789Z"


def one(stream: str, **row: Any) -> dict[str, Any]:
    made = table(stream, [{"time": TIME, **row}])
    assert made.schema.equals(STREAMS[stream])
    rows: list[dict[str, Any]] = made.to_pylist()
    assert len(rows) == 1
    assert rows[0]["time"] == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)
    return rows[0]


@pytest.mark.parametrize(
    ("line", "level", "trace", "message"),
    [
        ('{"level":"error","msg":"request","trace_id":"ab"}', "error", "ab", "request"),
        ('{"level":"info"}', "info", None, '{"level":"info"}'),
        ("2026-01-01 LOG:  checkpoint starting", None, None, "2026-01-01 LOG:  checkpoint starting"),
        ("{not json", None, None, "{not json"),
        ("", None, None, ""),
    ],
)
def test_a_log_line_is_taken_apart_where_it_is_json(
    line: str, level: str | None, trace: str | None, message: str
) -> None:
    found = one("logs", service="ledger", pod="ledger-1", container="ledger", line=line)
    assert (found["level"], found["trace_id"], found["message"], found["line"]) == (level, trace, message, line)


def test_events_changes_and_pods_have_their_columns() -> None:
    event = one(
        "events", type="Warning", reason="BackOff", kind="Pod", name="a-1", message="m", controller="c", count=3
    )
    assert (event["reason"], event["count"], event["field_path"]) == ("BackOff", 3, None)
    change = one(
        "changes", kind="Deployment", name="a", action="updated", manager="kubectl", resourceVersion="7",
        patch={"spec": {"replicas": 3}},
    )  # fmt: skip
    assert (change["resource_version"], json.loads(change["patch"])) == ("7", {"spec": {"replicas": 3}})
    pod = one(
        "pods", service="a", pod="a-1", action="updated", phase="Running", ready=False, restarts=2,
        lastTermination="OOMKilled", lastExitCode=137, lastFinishedAt="2026-01-01T00:00:00Z",
    )  # fmt: skip
    assert (pod["last_termination"], pod["last_exit_code"], pod["restarts"]) == ("OOMKilled", 137, 2)
    assert one("pods", service="a", pod="a-1", restarts=0)["last_exit_code"] is None


@pytest.mark.parametrize(
    ("stream", "row"),
    [
        ("logs", {"service": "flags", "line": "anything"}),
        ("logs", {"service": "a", "line": '{"msg":"flags changed","flags":[]}'}),
        ("logs", {"service": "a", "line": '{"msg":"x","flag":1,"truth":true}'}),
        ("logs", {"service": "a", "line": '{"msg":"the flag manualGc has no effect"}'}),
        ("events", {"name": "flags"}),
        ("events", {"name": "flags-7d9-x"}),
        ("events", {"name": "a-1", "controller": "firedrill.dev/runner"}),
        ("events", {"name": "a-1", "fieldPath": "spec.ephemeralContainers{firedrill-1-in}"}),
        ("events", {"name": "a-1", "message": "label firedrill.dev/run"}),
        ("changes", {"kind": "ConfigMap", "name": "flags", "patch": {"data": {}}}),
        ("changes", {"kind": "Deployment", "name": "a", "manager": "firedrill", "patch": {}}),
        ("changes", {"kind": "Deployment", "name": "a", "manager": "firedrill-runner", "patch": {}}),
        ("pods", {"service": "flags", "pod": "flags-1"}),
    ],
)
def test_what_tells_of_faults_is_dropped(stream: str, row: dict[str, Any]) -> None:
    assert table(stream, [{"time": TIME, **row}]).num_rows == 0


@pytest.mark.parametrize(
    ("stream", "row"),
    [
        ("logs", {"service": "a", "line": "LOG: unrecognized flag"}),
        ("events", {"name": "flagship-1", "controller": "kubelet"}),
        ("changes", {"kind": "Deployment", "name": "a", "manager": "kubectl", "patch": {}}),
        ("pods", {"service": "flagship", "pod": "flagship-1"}),
    ],
)
def test_what_only_looks_like_it_stays(stream: str, row: dict[str, Any]) -> None:
    assert table(stream, [{"time": TIME, **row}]).num_rows == 1


def test_a_symptom_stays_without_the_name_of_its_cause() -> None:
    found = one("logs", service="a", line='{"msg":"request","error":"the flag failure is set"}')
    assert found["line"] == '{"msg":"request","error":"internal error"}'
    change = one(
        "changes", kind="Deployment", name="a", patch={"spec": {"x": [{"firedrill.dev/run": "1", "team": "b"}]}}
    )
    assert json.loads(change["patch"]) == {"spec": {"x": [{"team": "b"}]}}


@pytest.mark.parametrize("text", ["nonsense", "[]", "{}", '{"time":5}', '{"time":"yesterday"}'])
def test_what_is_no_record_is_named(text: str) -> None:
    with pytest.raises(InvalidRecord, match="logs: not a record"):
        parse("logs", f'{{"time":"{TIME}"}}\n{text}\n')
