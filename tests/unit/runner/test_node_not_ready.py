"""A node that is cut off: what is refused, seen, waited for, and taken away."""

import asyncio
import contextlib
from typing import Any

import pytest
from chaos_lab import NODE_NOT_READY, Lab, spec, task
from chaos_nodes import SLICE, Nodes, node_path
from chaos_process import Killed
from pydantic import ValidationError

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import Forbidden
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


@pytest.mark.parametrize("fresh", [False, True], ids=["deleted", "registered anew"])
async def test_a_node_whose_object_is_gone_drops_on_until_its_kernel_ends_it(fresh: bool) -> None:
    lab = Lab(task(spec(NODE_NOT_READY)))

    async def meddle() -> bool:
        while not lab.nodes.cut("node-1"):
            await lab.clock.sleep(0.2)
        await lab.clock.sleep(20)
        body = lab.world.objects[node_path("node-1")]
        lab.world.remove(node_path("node-1"))
        if fresh:
            lab.world.put(node_path("node-1"), {"spec": {}, "status": body["status"]})
        return await cut_when_settled(lab)

    _, cut = await lab.clock.run(gather(lab.both(lab.runner_process()), meddle()))
    assert not cut, "the record says that it is undone"
    record = lab.record()
    assert record is not None
    assert record.residues == [
        "node node-1: if it runs on, the empty table inet firedrill_abc1234567 stays until it is started again"
    ]


async def test_a_pod_that_somebody_deleted_before_the_runner_died_may_have_injected() -> None:
    lab = Lab(task(spec(NODE_NOT_READY)))
    runner = lab.runner_process()

    async def run() -> None:
        with contextlib.suppress(Killed, RuntimeError):
            await lab.runner(runner)

    async def meddle() -> bool:
        while not (hit := [path for path in lab.world.objects if "/pods/firedrill-node-" in path]):
            await lab.clock.sleep(0.05)
        runner.dead = True
        while not lab.nodes.cut("node-1"):
            await lab.clock.sleep(0.1)
        lab.world.remove(hit[0])
        return await cut_when_settled(lab)

    _, _, cut = await lab.clock.run(gather(run(), lab.guardian(), meddle()))
    assert not cut, "the record says that it is undone"
    assert lab.problems() == []


def gather(*works: Any) -> Any:
    async def together() -> Any:
        return await asyncio.gather(*works)

    return together()


async def cut_when_settled(lab: Lab) -> bool:
    """Whether the node is cut off at the moment at which the record is settled."""
    while (record := lab.record()) is None or not record.state.settled:
        await lab.clock.sleep(0.5)
    return lab.nodes.cut("node-1")


@pytest.mark.parametrize("late", [10.0, 30.0, 50.0])
async def test_a_pod_that_starts_slowly_is_waited_for(late: float, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = Nodes._soon
    monkeypatch.setattr(Nodes, "_soon", lambda self, path, pod, seconds=late: soon(self, path, pod, seconds))
    lab = Lab(task(spec(NODE_NOT_READY)))
    await lab.play()
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED, lab.result.message
    record = lab.record()
    assert record is not None
    assert record.undone_by == "runner", "the guardian does not break it off"
    assert lab.problems() == []


async def test_what_was_refused_at_once_is_not_waited_for() -> None:
    lab = Lab(task(spec(NODE_NOT_READY)))
    runner = lab.runner_process()

    def fail(verb: str, path: str) -> Any:
        record = lab.record()
        begun = record is not None and record.state.begun
        # The guardian is let in, the dry run too.
        return Forbidden(403, "Forbidden", "not you") if begun and verb == "POST" and "/pods" in path else None

    runner.fail = fail
    await lab.play(runner)
    assert lab.result is not None
    assert lab.result.reason == "NotInjected"
    record = lab.record()
    assert record is not None
    assert record.changes[0].evidence == "was never carried out"
    assert lab.problems() == []


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
