"""What a person wrote: every error names its field and says what to write instead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.base import format_duration, format_time, parse_duration
from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import CHAOS_EXPERIMENT, DRIFT_CHECK, RUN_KINDS, TARGET_CLUSTER, Kind
from firedrill.api.resource import parse_run_resource, parse_spec
from firedrill.api.run import RunStatus
from firedrill.api.targetcluster import TargetClusterSpec
from support.builders import chaos, drift, target, with_spec, without

Object = dict[str, Any]
STEADY = chaos()["spec"]["steadyState"]

WRONG: list[tuple[Kind, Object, tuple[str, ...]]] = [
    (DRIFT_CHECK, without(drift(), "spec", "reference"), ("spec.reference", "required")),
    (DRIFT_CHECK, drift(timeout="10"), ("spec.timeout", "write it like 90s, 10m or 1h30m")),
    (DRIFT_CHECK, drift(timeout=600), ("spec.timeout", "is not a duration")),
    (DRIFT_CHECK, drift(timeout="1s"), ("spec.timeout", "between 5s and 24h")),
    (DRIFT_CHECK, drift(timeout="25h"), ("spec.timeout", "between 5s and 24h")),
    (DRIFT_CHECK, drift(clusters={}), ("spec.clusters", "name clusters in names, or select them by matchLabels")),
    (DRIFT_CHECK, drift(scedule="x"), ("spec.scedule",)),
    (DRIFT_CHECK, drift(current={}), ("spec.current", "0 are set")),
    (DRIFT_CHECK, drift(failureThreshold={"failures": 3, "of": 2}), ("spec.failureThreshold", "more than of (2)")),
    (
        DRIFT_CHECK,
        drift(jobTemplate={"tolerations": [{"operator": "Is"}]}),
        ("spec.jobTemplate.tolerations[0].operator",),
    ),
    (CHAOS_EXPERIMENT, chaos(fault={}), ("spec.fault", "exactly one of podKill, ")),
    (CHAOS_EXPERIMENT, chaos(duration="0s"), ("spec.duration", "at least 1s")),
    (CHAOS_EXPERIMENT, chaos(steadyState={**STEADY, "window": "1ms"}), ("spec.steadyState", "5 times http.interval")),
    (
        CHAOS_EXPERIMENT,
        chaos(steadyState={"http": {"url": "http://x", "interval": "1ms"}}),
        ("spec.steadyState.http.interval", "between 10ms and 60s"),
    ),
    (CHAOS_EXPERIMENT, chaos(timeout="12s"), ("spec", "timeout must be at least duration + recoveryTimeout")),
    (
        CHAOS_EXPERIMENT,
        chaos(target={"namespace": "a", "matchLabels": {"a": "b"}, "mode": "Percent", "value": 101}),
        ("spec.target", "at most 100 for mode Percent"),
    ),
    (CHAOS_EXPERIMENT, chaos(target={"namespace": "a", "matchLabels": {}}), ("spec.target", "matchLabels")),
    (TARGET_CLUSTER, target("t", secretRef={"name": "No Name"}), ("spec.secretRef.name",)),
]


@pytest.mark.parametrize(("kind", "body", "says"), WRONG, ids=[" ".join(row[2])[:60] for row in WRONG])
def test_an_error_names_its_field(kind: Kind, body: Object, says: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_spec(kind.spec, body["spec"])
    for text in says:
        assert text in str(caught.value)


def test_all_errors_are_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_spec(DRIFT_CHECK.spec, drift(timeout="x", historyLimit=51, typo=1)["spec"])
    for field in ("spec.timeout", "spec.historyLimit", "spec.typo"):
        assert field in str(caught.value)


def test_a_wrong_spec_does_not_hide_the_resource() -> None:
    metadata = {
        "name": "n",
        "namespace": "a",
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    broken = with_spec(drift(), timeout="x")
    found = parse_run_resource(DRIFT_CHECK, {**broken, "metadata": metadata, "status": {"verdict": "Passed"}})
    assert found.spec is None
    assert "spec.timeout" in found.invalid
    assert found.status.verdict == "Passed"
    assert found.key == "a/n"


def test_a_status_of_a_newer_version_is_read() -> None:
    status = RunStatus.model_validate({"verdict": "Passed", "ofANewerVersion": {"a": 1}, "lastRun": {
        "id": "i", "trigger": "t", "startedAt": "2026-01-01T00:00:00Z", "also": "new"}})  # fmt: skip
    assert status.last_run is not None
    assert status.last_run.id == "i"


@pytest.mark.parametrize("kind", RUN_KINDS.values(), ids=lambda kind: kind.name)
def test_an_empty_spec_names_what_is_needed(kind: Kind) -> None:
    with pytest.raises(InvalidInput, match=r"spec\.clusters: Field required"):
        parse_spec(kind.spec, {})


def test_a_target_needs_nothing() -> None:
    assert parse_spec(TARGET_CLUSTER.spec, {}) == TargetClusterSpec()


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=60)))
def test_durations_are_read_back(value: timedelta) -> None:
    rounded = timedelta(milliseconds=round(value.total_seconds() * 1000))
    assert parse_duration(format_duration(value)) == rounded


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("100ms", 0.1), ("0s", 0), ("1m1s1ms", 61.001)]
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1d", "1h 30m", None, 10, "ten", "1e3s"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_a_duration_that_no_clock_can_hold() -> None:
    with pytest.raises(ValueError, match="longer than any duration"):
        parse_duration("9" * 30 + "h")


def test_times_are_in_utc() -> None:
    assert format_time(datetime(2026, 1, 1, 12, tzinfo=UTC)) == "2026-01-01T12:00:00Z"
    status = RunStatus.model_validate({"nextRun": "2026-01-01T13:00:00+01:00"})
    assert status.to_wire() == {"nextRun": "2026-01-01T12:00:00Z"}
