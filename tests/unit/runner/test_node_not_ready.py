"""A node that is cut off: what is refused, seen, waited for, and taken away."""

from typing import Any

import pytest
from chaos_lab import NODE_NOT_READY, Lab, spec, task
from chaos_nodes import SLICE, node_path
from pydantic import ValidationError

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.verdict import Verdict
from firedrill.runner import nft

Object = dict[str, Any]


async def test_it_is_not_heard_from_comes_back_and_leaves_nothing() -> None:
    lab = Lab(task(spec(NODE_NOT_READY)))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld"), lab.result.message
    findings = {each.type: each.reason for each in lab.result.findings}
    assert findings == {"Injected": "FaultObserved", "Recovered": "SteadyStateHolds", "RecoveryVerified": "SeenUndone"}
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    assert record.changes[0].evidence.startswith("node node-1 is Ready again; table firedrill_abc1234567 is gone")
    assert record.residues == []


async def test_an_abort_waits_for_the_kernel() -> None:
    lab = Lab(task(spec(NODE_NOT_READY)))

    async def both() -> None:
        import asyncio

        await asyncio.gather(lab.both(lab.runner_process()), lab.operator_aborts(40.0, "Superseded"))

    await lab.clock.run(both())
    assert lab.result is not None
    assert lab.result.verdict is not Verdict.PASSED
    assert lab.problems() == []
    record = lab.record()
    assert record is not None
    assert record.undone_at is not None
    cut = record.changes[0]
    assert cut.type == "NodeCutOff"
    assert cut.expires_at is not None
    assert record.undone_at > cut.expires_at


@pytest.mark.parametrize(
    ("change", "fields", "reason", "says"),
    [
        (lambda _lab: None, {"duration": "60s"}, "NotApplicable", "at least 1m30s"),
        (lambda _lab: None, {"duration": "250s"}, "NotPermitted", "set allowEvictions"),
        (lambda lab: setattr(lab.world, "pod_security", "violates baseline"), {}, "NotPermitted", "violates baseline"),
        (
            lambda lab: lab.world.objects[SLICE].update(endpoints=[{"addresses": ["10.0.0.1"]}]),
            {},
            "NotApplicable",
            "runs the API server",
        ),
        (lambda lab: lab.world.remove(SLICE), {}, "NotApplicable", "nobody knows"),
        (
            lambda lab: lab.world.objects[node_path("node-1")]["status"].update(conditions=[]),
            {},
            "NotApplicable",
            "not ready before the fault",
        ),
        (
            lambda lab: next(body for path, body in lab.world.objects.items() if "/payments/pods/" in path)[
                "spec"
            ].update(nodeName="node-2"),
            {"target": {"namespace": "payments", "matchLabels": {"app": "ledger"}, "mode": "All"}},
            "NotApplicable",
            "on 2 nodes",
        ),
    ],
)
async def test_what_can_not_be_is_told_before_anything_is_written(
    change: Any, fields: Object, reason: str, says: str
) -> None:
    lab = Lab(task(spec(NODE_NOT_READY, **fields)))
    change(lab)
    runner = lab.runner_process()
    lab.ask = answers  # type: ignore[method-assign]
    await lab.clock.run(lab.runner(runner))
    assert lab.result is not None
    assert (lab.result.reason, says in lab.result.message) == (reason, True), lab.result.message
    assert runner.writes == []


async def answers() -> tuple[bool, str]:
    return True, ""


async def test_a_guardian_on_that_very_node_is_no_help_where_there_is_another() -> None:
    lab = Lab(task(spec(NODE_NOT_READY)))
    for path, body in lab.world.objects.items():
        if "/payments/pods/" in path:
            body["spec"]["nodeName"] = "node-2"
    await lab.play()
    assert lab.result is not None
    assert lab.result.reason == "NotInjected"
    assert "the guardian runs on node node-2 itself" in lab.result.message
    assert lab.problems() == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "acknowledgeWholeNode"),
        ({"acknowledgeWholeNode": False}, "must be true"),
        ({"acknowledgeWholeNode": True, "addresses": ["api.example.com"]}, "addresses"),
        ({"acknowledgeWholeNode": True, "addresses": ["127.0.0.1"]}, "no address of an API server"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(fields: Object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ChaosExperimentSpec.model_validate(spec({"nodeNotReady": fields}))


def test_only_named_addresses_are_in_the_sets() -> None:
    wanted = nft.Filter("firedrill_a1", 100, 8, "out", "tcp", 6443, addresses=("10.0.0.9", "fd00::1", "10.0.0.9"))
    lines = nft.inject_script(wanted).splitlines()
    assert "add element inet firedrill_a1 on4 { 10.0.0.9 timeout 8000ms }" in lines
    assert "add element inet firedrill_a1 on6 { fd00::1 timeout 8000ms }" in lines
    assert sum("daddr @on" in line and "tcp dport 6443" in line for line in lines) == 2
    only4 = nft.inject_script(nft.Filter("firedrill_a1", 100, 8, addresses=("10.0.0.9",))).splitlines()
    assert not [line for line in only4 if line.startswith("add element inet firedrill_a1 on6")]
    with pytest.raises(ValueError, match="evil"):
        nft.Filter("firedrill_a1", 100, 8, addresses=("10.0.0.9 }; flush ruleset; evil",))
