"""What a guardian does next."""

from datetime import timedelta
from typing import Any

import pytest
from chaos_clock import T0
from chaos_lab import PACKET_LOSS, spec, task

from firedrill.api.record import Control, Record, RecordState
from firedrill.runner.guarding import Act, Arm, Leave, RunnerView, Situation, Watch, decide

TASK = task(spec(PACKET_LOSS))
ALIVE = RunnerView(frozenset({"runner"}), over=False)
GONE = RunnerView(frozenset(), over=True)
JOB_GONE_POD_THERE = RunnerView(frozenset({"runner"}), over=True)


def record(state: RecordState = RecordState.APPLIED, **fields: Any) -> Record:
    values = {"uid": "u", "run_id": "r", "cluster": "c", "kind": "k", "claim": "runner", **fields}
    return Record.model_validate({"state": state, "deadline": T0 + timedelta(seconds=60), **values})


def situation(found: Record | None, *, after: float = 10.0, runner: RunnerView = ALIVE, **fields: Any) -> Situation:
    abort = fields.pop("abort", "")
    abort_at = fields.pop("abort_at", None)
    seen = T0 + timedelta(seconds=abort_at) if abort_at is not None else None
    return Situation(
        T0 + timedelta(seconds=after), found, Control(abort=abort), runner, seen, fields.pop("armed", True)
    )


UNSETTLED = [RecordState.PREPARED, RecordState.APPLYING, RecordState.APPLIED, RecordState.UNDOING]
CASES: list[tuple[str, Situation, type]] = [
    ("no record yet", situation(None), Watch),
    ("no record, runner not started", situation(None, runner=RunnerView(frozenset(), over=False)), Watch),
    ("no record, runner over", situation(None, runner=GONE), Leave),
    ("no record, Job gone but pod there", situation(None, runner=JOB_GONE_POD_THERE), Watch),
    ("no record, cancelled", situation(None, abort="Cancelled"), Leave),
    ("no record, long after", situation(None, after=241), Leave),
    ("no record, not long after", situation(None, after=239), Watch),
    ("undone", situation(record(RecordState.UNDONE)), Leave),
    ("kept", situation(record(RecordState.KEPT), runner=GONE), Leave),
    ("not armed", situation(record(RecordState.PREPARED), armed=False), Arm),
    ("restarted", situation(record(), armed=False), Arm),
    ("armed", situation(record()), Watch),
    ("abort, just now", situation(record(), abort="x", abort_at=9), Watch),
    ("abort, nothing moves", situation(record(), abort="x", abort_at=4), Act),
    ("abort, the runner is at it", situation(record(RecordState.UNDOING), abort="x", abort_at=0), Watch),
    ("abort, prepared", situation(record(RecordState.PREPARED), abort="x", abort_at=4), Act),
    *((f"deadline, {state}", situation(record(state), after=60), Act) for state in UNSETTLED),
    *((f"runner gone, {state}", situation(record(state), runner=GONE), Act) for state in UNSETTLED),
    ("runner replaced", situation(record(), runner=RunnerView(frozenset({"another"}), over=False)), Act),
    ("Job gone, runner undoes", situation(record(RecordState.UNDOING), runner=JOB_GONE_POD_THERE), Watch),
]


@pytest.mark.parametrize(("seen", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_decision(seen: Situation, expected: type) -> None:
    assert isinstance(decide(seen, TASK), expected)
