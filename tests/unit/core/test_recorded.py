"""What a record shows beside a result, and without one."""

from dataclasses import dataclass, field

import pytest

from firedrill.api.changes import Change, ChangeState, ToolkitStarted
from firedrill.api.kinds import AUTO_FIX, CHAOS_EXPERIMENT, RunKind
from firedrill.api.record import RecordState
from firedrill.api.run import ClusterResult
from firedrill.api.verdict import Condition, ConditionStatus
from firedrill.core.recorded import recorded
from support.seen import T0, after, record

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
Said = tuple[ConditionStatus, str]


@dataclass
class Row:
    """A record, what is said already, and what is said then."""

    name: str
    state: RecordState
    says: dict[str, Said]
    before: dict[str, Said] = field(default_factory=dict)
    kind: RunKind = CHAOS_EXPERIMENT
    changes: list[Change] | None = None


def toolkit(*, verified: bool) -> ToolkitStarted:
    return ToolkitStarted(namespace="payments", name="e", body={}, state=ChangeState.UNDONE, verified=verified)


ROWS = [
    Row("prepared", RecordState.PREPARED, {}),
    Row("applying", RecordState.APPLYING, {}),
    Row("applied", RecordState.APPLIED, {"Injected": (TRUE, "Injected")}),
    Row("undone, and no probe has said anything", RecordState.UNDONE,
        {"Injected": (TRUE, "Injected"), "RecoveryVerified": (UNKNOWN, "UndoneNotProbed")}),
    Row("undone after a result that had not seen it: the probe's word stands", RecordState.UNDONE,
        {"Injected": (TRUE, "FaultObserved"), "Recovered": (FALSE, "SteadyStateNotMet"),
         "RecoveryVerified": (UNKNOWN, "UndoneNotProbed")},
        {"Injected": (TRUE, "FaultObserved"), "Recovered": (FALSE, "SteadyStateNotMet"),
         "RecoveryVerified": (FALSE, "UndoNotVerified")}),
    Row("undone, as the result says", RecordState.UNDONE, {"RecoveryVerified": (TRUE, "SeenUndone"),
        "Injected": (FALSE, "Reverted")}, {"RecoveryVerified": (TRUE, "SeenUndone"), "Injected": (FALSE, "Reverted")}),
    Row("rolled back, and its own hypothesis was met", RecordState.UNDONE,
        {"Injected": (TRUE, "Injected"), "RecoveryVerified": (TRUE, "HypothesisMet")},
        changes=[toolkit(verified=True)]),
    Row("rolled back, and it was not", RecordState.UNDONE,
        {"Injected": (TRUE, "Injected"), "RecoveryVerified": (UNKNOWN, "UndoneNotProbed")},
        changes=[toolkit(verified=True), toolkit(verified=False)]),
    Row("a fix that stays", RecordState.KEPT, {"Applied": (TRUE, "Applied"), "Verified": (TRUE, "Verified")},
        {"Applied": (UNKNOWN, "NotReached")}, AUTO_FIX),
    Row("a fix that was undone", RecordState.UNDONE, {}, {}, AUTO_FIX),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_said(row: Row) -> None:
    known = ClusterResult(
        name="finance",
        findings=[
            Condition(type=name, status=status, reason=reason, observed_generation=1, last_transition_time=T0)
            for name, (status, reason) in row.before.items()
        ],
    )
    view = record(row.state)
    assert view.record is not None
    seen = view.record if row.changes is None else view.record.model_copy(update={"changes": row.changes})
    found = recorded(row.kind, seen, known, 1, after(9))
    assert {condition.type: (condition.status, condition.reason) for condition in found} == row.says
    # A condition whose status stays as it was keeps its time.
    for condition in found:
        same = condition.type in row.before and row.before[condition.type][0] is condition.status
        assert (condition.last_transition_time == T0) == same
