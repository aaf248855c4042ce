"""The next step of undoing packet loss, from any state that a pod can be found in."""

import json
from datetime import timedelta
from typing import Any

import pytest
from chaos_clock import T0

from firedrill.api.changes import ChangeState, PacketsDropped
from firedrill.runner.faults.ephemeral import HostPod, container, parse_host
from firedrill.runner.faults.filtering_undo import CLOCK_SKEW, MAX_TRIES, Done, Start, Wait, next_step

IN, OUT = "firedrill-r-in", "firedrill-r-out"
CHANGE = PacketsDropped(
    namespace="payments",
    name="ledger",
    uid="1",
    table="firedrill_r",
    port=80,
    percent=50,
    seconds=10,
    not_after=T0 + timedelta(seconds=45),
    expires_at=T0 + timedelta(seconds=55),
    inject_container=IN,
    undo_container=OUT,
)
INJECTED = {"action": "inject", "table": "firedrill_r"}
UNDONE = {"action": "undo", "remaining": [], "dropped": 9}


def ended(proof: Any = None, code: int = 0) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "message": json.dumps(proof) if proof else ""}}


def host(*containers: tuple[str, str, dict[str, Any]], phase: str = "Running", deleting: bool = False) -> HostPod:
    metadata: dict[str, Any] = {"uid": "1"}
    if deleting:
        metadata["deletionTimestamp"] = "2026-07-01T12:00:00Z"
    return parse_host(
        {
            "metadata": metadata,
            "spec": {"ephemeralContainers": [container(name, "i", [action]) for name, action, _ in containers]},
            "status": {
                "phase": phase,
                "ephemeralContainerStatuses": [{"name": name, "state": state} for name, _, state in containers],
            },
        }
    )


RUNNING: dict[str, Any] = {"running": {}}
WAITING = {"waiting": {"reason": "ImagePullBackOff"}}
FAILED = ended({"error": "no"}, 1)
SOON, LATE = 5.0, 61.0
CASES: list[tuple[str, HostPod | None, float, type, str]] = [
    ("pod gone, might be cut off", None, SOON, Wait, "the fault ends by itself"),
    ("pod gone for long", None, LATE, Done, "the pod is gone"),
    ("pod ended", host((IN, "inject", ended(INJECTED)), phase="Failed"), LATE, Done, "the pod is gone"),
    ("pod on its way out", host((IN, "inject", ended(INJECTED)), deleting=True), LATE, Wait, "on its way out"),
    ("never asked for: take the name", host(), SOON, Start, IN),
    ("never asked for, too late to be", host(), LATE, Done, "nothing was injected"),
    ("name taken by an undoing one", host((IN, "undo", ended(UNDONE))), SOON, Done, "is gone"),
    ("name taken, not started yet", host((IN, "undo", WAITING)), SOON, Wait, IN),
    ("name taken, failed", host((IN, "undo", FAILED)), SOON, Start, OUT),
    ("injecting", host((IN, "inject", RUNNING)), SOON, Wait, "not ended yet"),
    ("injecting for long", host((IN, "inject", RUNNING)), LATE, Wait, "not ended yet"),
    ("not started", host((IN, "inject", WAITING)), SOON, Wait, "ImagePullBackOff"),
    ("never started", host((IN, "inject", WAITING)), LATE, Done, "not seen to start"),
    ("injected", host((IN, "inject", ended(INJECTED))), SOON, Start, OUT),
    ("refused", host((IN, "inject", ended({"refused": "late"}, 3))), LATE, Start, OUT),
    ("undoing", host((IN, "inject", ended(INJECTED)), (OUT, "undo", RUNNING)), SOON, Wait, OUT),
    ("undoing does not start", host((IN, "inject", ended(INJECTED)), (OUT, "undo", WAITING)), LATE, Wait, OUT),
    ("undone", host((IN, "inject", ended(INJECTED)), (OUT, "undo", ended(UNDONE))), SOON, Done, "dropped 9 packets"),
    ("undoing failed", host((IN, "inject", ended()), (OUT, "undo", FAILED)), SOON, Start, f"{OUT}-2"),
    (
        "no proof is no success",
        host((IN, "inject", ended()), (OUT, "undo", ended())),
        SOON,
        Start,
        f"{OUT}-2",
    ),
    (
        "our table remains",
        host((IN, "inject", ended()), (OUT, "undo", ended({"remaining": ["firedrill_r"]}))),
        SOON,
        Start,
        f"{OUT}-2",
    ),
    (
        "the second one succeeded",
        host((IN, "inject", ended()), (OUT, "undo", FAILED), (f"{OUT}-2", "undo", ended(UNDONE))),
        SOON,
        Done,
        "is gone",
    ),
    (
        "all failed",
        host(
            (IN, "inject", ended()),
            (OUT, "undo", FAILED),
            *((f"{OUT}-{number}", "undo", FAILED) for number in range(2, MAX_TRIES + 1)),
        ),
        LATE,
        Wait,
        "a person must delete pod payments/ledger",
    ),
]


@pytest.mark.parametrize(("seen", "after", "kind", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
@pytest.mark.parametrize("state", [ChangeState.PLANNED, ChangeState.APPLIED])
def test_next_step(state: ChangeState, seen: HostPod | None, after: float, kind: type, words: str) -> None:
    step = next_step(seen, CHANGE.model_copy(update={"state": state}), T0 + timedelta(seconds=after))
    assert isinstance(step, kind), step
    assert words in str(step)


@pytest.mark.parametrize("seen", [None, host((IN, "inject", WAITING))], ids=["pod gone", "not seen to start"])
def test_what_a_node_that_is_cut_off_may_have_started_is_waited_out(seen: HostPod | None) -> None:
    unseen = CHANGE.model_copy(update={"expires_at": None})
    last = CHANGE.not_after + CLOCK_SKEW + timedelta(seconds=CHANGE.seconds)
    assert isinstance(next_step(seen, unseen, last - timedelta(seconds=1)), Wait)
    assert isinstance(next_step(seen, unseen, last + timedelta(seconds=1)), Done)


def test_the_container_has_one_right_and_typed_arguments() -> None:
    spec = container("c", "image", ["undo", "--table", "firedrill_r"])
    assert spec["command"] == ["firedrill", "netfault", "undo", "--table", "firedrill_r"]
    context = spec["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert not context["allowPrivilegeEscalation"]
    assert not context["privileged"]
    assert context["readOnlyRootFilesystem"]
