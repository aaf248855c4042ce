"""What a target holds, as its watches tell it, piece by piece and in any order."""

import json
from typing import Any

import pytest

from firedrill.api import meta
from firedrill.api.record import RecordState
from firedrill.clusters.cache import RunCache, job_view, record_of
from firedrill.core.observed import JobPhase, RunObjects
from support.seen import record, result
from support.wire import KEY, run_object

Object = dict[str, Any]


def record_object(state: RecordState) -> Object:
    made = record(state).record
    assert made is not None
    return run_object("record", data={meta.RECORD_KEY: json.dumps(made.to_wire())})


PARTS = [
    run_object("runner"),
    run_object("guardian"),
    run_object("task"),
    run_object("result", data={meta.RESULT_KEY: json.dumps(result("r").to_wire())}),
    record_object(RecordState.APPLIED),
]


@pytest.mark.parametrize("order", [PARTS, PARTS[::-1], PARTS[2:] + PARTS[:2]], ids=["as made", "backwards", "mixed"])
def test_the_parts_of_a_run_come_together(order: list[Object]) -> None:
    cache = RunCache()
    assert {cache.apply(part) for part in order} == {KEY}
    runs = cache.of("u1")
    assert list(runs) == ["cha-check-1"]
    run = runs["cha-check-1"]
    assert run.job is not None
    assert run.guardian is not None
    assert (run.job.name, run.guardian.name) == ("cha-check-1", "cha-check-1-guardian")
    assert run.has_task
    assert run.result is not None
    assert run.result.run_id == "r"
    assert run.record is not None
    assert not run.record.settled
    assert cache.uids() == {"u1": KEY}


def test_what_a_run_has_started_on_drift_outlives_it() -> None:
    cache = RunCache()
    for part in PARTS:
        cache.apply(part)
    note = run_object("reaction", data={meta.REACTION_KEY: '{"runId": "r", "at": "2026-05-01T12:00:00Z"}'})
    cache.apply(note)
    for part in PARTS:
        cache.apply(part, deleted=True)
    (left,) = cache.of("u1").values()
    assert left.reaction is not None
    assert left.reaction.run_id == "r"
    cache.apply(note, deleted=True)
    assert cache.of("u1") == {}


def test_what_is_deleted_part_by_part_is_gone_in_the_end() -> None:
    cache = RunCache()
    for part in PARTS:
        cache.apply(part)
    for part in PARTS:
        assert cache.keys() == {KEY}
        cache.apply(part, deleted=True)
    assert cache.keys() == set()
    assert cache.of("u1") == {}


def test_a_fresh_list_forgets_its_own_parts_alone() -> None:
    cache = RunCache()
    for part in PARTS:
        cache.apply(part)
    cache.clear(("runner", "guardian"))
    run = cache.of("u1")["cha-check-1"]
    assert (run.job, run.guardian, run.has_task) == (None, None, True)
    cache.clear(("task", "result", "record"))
    assert cache.keys() == set()


def test_what_was_read_of_a_run_counts_as_a_whole_until_something_new_is_seen() -> None:
    cache = RunCache()
    for part in PARTS[2:]:
        cache.apply(part)
    behind = cache.of("u1")["cha-check-1"]
    assert (behind.job, behind.confirmed) == (None, False)
    of_another_run = run_object("result", job="cha-check-2", data={meta.RESULT_KEY: "none of ours"})
    cache.confirm("u1", "cha-check-1", [*PARTS[:3], of_another_run], behind)
    run = cache.of("u1")["cha-check-1"]
    assert run.confirmed
    assert run.job is not None
    assert (run.has_task, run.result, run.record) == (True, None, None)
    cache.apply(PARTS[4])
    assert not cache.of("u1")["cha-check-1"].confirmed


def test_that_nothing_is_left_of_a_run_is_forgotten_with_the_next_list() -> None:
    cache = RunCache()
    cache.confirm("u1", "cha-check-1", [], None)
    assert cache.of("u1") == {"cha-check-1": RunObjects(confirmed=True)}
    assert cache.keys() == set()
    cache.clear(("runner", "guardian"))
    assert cache.of("u1") == {}


@pytest.mark.parametrize("shown", [PARTS[0], PARTS[2]], ids=["something new", "what was there before"])
def test_what_was_read_counts_for_nothing_where_a_watch_has_shown_something_meanwhile(shown: Object) -> None:
    cache = RunCache()
    cache.apply(PARTS[2])
    before = cache.of("u1")["cha-check-1"]
    cache.apply(shown)
    cache.confirm("u1", "cha-check-1", PARTS, before)
    run = cache.of("u1")["cha-check-1"]
    assert (run.result, run.confirmed) == (None, False)


@pytest.mark.parametrize(
    "strange",
    [
        {"metadata": {"name": "x"}},
        {"metadata": {"name": "x", "labels": {meta.LABEL_UID: "u1"}}},
        run_object("else"),
        {
            **run_object("runner"),
            "metadata": {**run_object("runner")["metadata"], "annotations": {meta.ANNOTATION_RESOURCE: "x"}},
        },
    ],
    ids=["no labels", "no kind", "role of a newer version", "no namespace"],
)
def test_what_is_not_ours_is_left_alone(strange: Object) -> None:
    cache = RunCache()
    assert cache.apply(strange) is None
    assert cache.keys() == set()


@pytest.mark.parametrize("text", ["", "{", '{"uid": 1}', '{"changes": [{"type": "OfANewerVersion"}]}'])
def test_a_result_that_can_not_be_read_is_none(text: str) -> None:
    cache = RunCache()
    cache.apply(run_object("runner"))
    cache.apply(run_object("result", data={meta.RESULT_KEY: text}))
    assert cache.of("u1")["cha-check-1"].result is None


@pytest.mark.parametrize("text", ["{", '{"uid": 1}', '{"changes": [{"type": "OfANewerVersion"}]}'])
def test_a_record_that_can_not_be_read_is_not_settled(text: str) -> None:
    cache = RunCache()
    cache.apply(run_object("record", data={meta.RECORD_KEY: text, meta.CONTROL_KEY: '{"abort": "Deleted"}'}))
    view = cache.of("u1")["cha-check-1"].record
    assert view is not None
    assert view.unreadable
    assert not view.settled
    assert view.control.abort == "Deleted", "it need not be asked for again"


def test_a_record_without_a_claim_is_settled_by_an_abort_alone() -> None:
    assert record_of(run_object("record", data={meta.CONTROL_KEY: '{"abort": "Deleted"}'})).settled
    assert not record_of(run_object("record", data={meta.CONTROL_KEY: "{}"})).settled


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [
        ([], JobPhase.ACTIVE),
        ([("SuccessCriteriaMet", "True")], JobPhase.ACTIVE),
        ([("FailureTarget", "True")], JobPhase.ACTIVE),
        ([("Suspended", "True")], JobPhase.ACTIVE),
        ([("SuccessCriteriaMet", "True"), ("Complete", "True")], JobPhase.SUCCEEDED),
        ([("FailureTarget", "True"), ("Failed", "True")], JobPhase.FAILED),
        ([("Failed", "False")], JobPhase.ACTIVE),
    ],
)
def test_the_phase_of_a_job(conditions: list[tuple[str, str]], phase: JobPhase) -> None:
    job = run_object("runner")
    job["status"]["conditions"] = [{"type": name, "status": status} for name, status in conditions]
    assert job_view(job).phase is phase
