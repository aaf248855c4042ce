"""Real faults in a real cluster: seen by the probe and by the kernel, gone afterwards, whoever dies in between."""

import asyncio
import time
from typing import Any

import pytest
from chaos_harness import IMAGE, Bench

from firedrill.api.changes import PacketsDropped
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import Conflict, Invalid
from firedrill.core.naming import guardian_name, record_name
from firedrill.runner.faults.ephemeral import add_container, container
from support.pod_process import sigkill

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LOSS = {"packetLoss": {"percent": 70, "port": 8080}}
#: Every packet to both ledger pods is lost: nobody can miss it.
ALL = {"packetLoss": {"percent": 100, "port": 8080}}
KILL: dict[str, Any] = {"podKill": {}}


def told(result: Result) -> str:
    """All of a result that matters, for a failed assertion."""
    lines = [f"{item.name}={item.value} {item.detail}" for item in result.measurements]
    return "\n".join(
        [f"{result.verdict} {result.reason}: {result.message}", *lines, str(result.report.get("timeline"))]
    )


def values(result: Result) -> dict[str, float | None]:
    print(told(result))
    return {item.name: item.value for item in result.measurements}


async def test_packet_loss_is_real_and_gone_afterwards(bench: Bench) -> None:
    run = await bench.start(LOSS)
    result = await run.result()
    seen = values(result)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), told(result)
    assert seen["successRateBefore"] == pytest.approx(1.0, abs=0.05)
    assert (seen["successRateDuring"] or 0) < 0.95
    assert (seen["droppedPackets"] or 0) > 5
    assert [item.status for item in result.findings] == ["True"] * 3
    record = await run.state("Undone")
    assert record.undone_by == "runner"
    (change,) = record.changes
    assert "tables of Firedrill that remain in the pod: []" in change.evidence
    assert len(record.residues) == 1
    assert await run.job_ended(run.job) == "Complete"
    assert await run.job_ended(guardian_name(run.job)) == "Complete"
    body = await bench.client.get(paths.configmaps(bench.runner, record_name(run.job)))
    assert body["metadata"]["ownerReferences"][0]["name"] == run.job
    pod = await run.pod(run.job)
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"].startswith("Passed SteadyStateHeld")


async def test_a_limit_that_the_system_does_not_meet(bench: Bench) -> None:
    run = await bench.start(ALL, target={"mode": "All"}, steadyState={"minSuccessRateDuring": 0.9}, duration="6s")
    result = await run.result()
    values(result)
    assert (result.verdict, result.reason) == (Verdict.FAILED, "SteadyStateViolated"), told(result)
    assert len((await run.state("Undone")).changes) == 2


async def test_a_killed_pod_comes_back(bench: Bench) -> None:
    before = {pod["metadata"]["uid"] for pod in await bench.pods("ledger")}
    run = await bench.start(KILL)
    result = await run.result()
    seen = values(result)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), told(result)
    assert seen["targetsHit"] == 1
    after = {pod["metadata"]["uid"] for pod in await bench.pods("ledger")}
    assert len(before - after) == 1
    assert len(after) == 2
    await run.state("Undone")


async def test_an_abort_ends_the_fault_at_once(bench: Bench) -> None:
    run = await bench.start(ALL, target={"mode": "All"}, duration="60s", timeout="5m")
    await run.state("Applied")
    asked = asyncio.get_running_loop().time()
    await run.abort("Superseded: the spec changed")
    record = await run.state("Undone", seconds=30)
    took = asyncio.get_running_loop().time() - asked
    print(f"undone {took:.1f} s after the abort, by {record.undone_by}")
    result = await run.result()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Superseded"), told(result)
    assert took < 15
    for pod in await bench.pods("ledger"):
        assert bench.connects(pod["status"]["podIP"]) == 20


async def test_the_guardian_undoes_when_the_runner_is_killed(bench: Bench) -> None:
    run = await bench.start(ALL, target={"mode": "All"}, duration="90s", timeout="5m")
    await run.state("Applied")
    ledgers = await bench.pods("ledger")
    assert [bench.connects(pod["status"]["podIP"]) for pod in ledgers] == [0, 0]
    killed = asyncio.get_running_loop().time()
    await run.sigkill(run.job)
    record = await run.state("Undone", seconds=60)
    print(f"undone {asyncio.get_running_loop().time() - killed:.1f} s after the runner was killed: {record.message}")
    assert record.undone_by == "guardian"
    assert [bench.connects(pod["status"]["podIP"]) for pod in ledgers] == [20, 20]
    assert await run.job_ended(guardian_name(run.job)) == "Complete"
    assert await run.job_ended(run.job) == "Failed"


async def test_a_runner_that_is_asked_to_end_undoes_first(bench: Bench) -> None:
    run = await bench.start(ALL, duration="90s", timeout="5m")
    await run.state("Applied")
    await run.delete_pod(run.job)
    record = await run.state("Undone", seconds=60)
    print(f"undone by {record.undone_by}: {record.message}")
    assert record.undone_by == "runner"
    result = await run.result()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Terminated"), told(result)


async def test_what_the_fence_of_undoing_relies_on(bench: Bench) -> None:
    pod = (await bench.pods("fraud"))[0]["metadata"]
    undo = container("firedrill-fence-in", IMAGE, ("undo", "--table", "firedrill_fence"))
    inject = container("firedrill-fence-in", IMAGE, ("inject", "--table", "firedrill_fence"))
    with pytest.raises((Conflict, Invalid)):
        await add_container(bench.client, bench.target, pod["name"], "another-uid", undo)
    await add_container(bench.client, bench.target, pod["name"], pod["uid"], undo)
    await add_container(bench.client, bench.target, pod["name"], pod["uid"], undo)
    with pytest.raises(Invalid):
        await add_container(bench.client, bench.target, pod["name"], pod["uid"], inject)


async def test_a_restarted_guardian_undoes_what_it_has_never_seen(bench: Bench) -> None:
    run = await bench.start(ALL, duration="90s", timeout="5m")
    await run.state("Applied")
    first = await run.pod(guardian_name(run.job))
    await run.delete_pod(guardian_name(run.job), 0)
    await run.sigkill(run.job)
    record = await run.state("Undone", seconds=90)
    print(f"undone: {record.message}; {record.changes[0].evidence}")
    assert record.undone_by == "guardian"
    assert record.guardian is not None
    assert first["metadata"]["uid"] != (await run.pod(guardian_name(run.job)))["metadata"]["uid"]


async def test_with_nobody_left_the_kernel_ends_it(bench: Bench) -> None:
    run = await bench.start(ALL, target={"mode": "All"}, duration="25s", timeout="5m")
    record = await run.state("Applied")
    ledgers = await bench.pods("ledger")
    guardian = await run.pod(guardian_name(run.job))
    for job in (guardian_name(run.job), run.job):
        await bench.client.delete(paths.jobs(bench.runner, job), propagation="Orphan")
    # A guardian ignores SIGTERM, and its container would be restarted if its pod were left; a runner would undo.
    await bench.client.delete(paths.pods(bench.runner, guardian["metadata"]["name"]), grace_seconds=0)
    sigkill(guardian["metadata"]["uid"])
    await run.sigkill(run.job)
    assert [bench.connects(pod["status"]["podIP"]) for pod in ledgers] == [0, 0]
    last = max(
        change.expires_at for change in record.changes if isinstance(change, PacketsDropped) and change.expires_at
    )
    await asyncio.sleep(max(0.0, last.timestamp() - time.time()) + 0.5)
    assert [bench.connects(pod["status"]["podIP"]) for pod in ledgers] == [20, 20]
    assert (await run.record() or record).state == "Applied"


async def test_pod_security_is_told_before_anything_is_written(bench: Bench) -> None:
    label = "pod-security.kubernetes.io/enforce"
    await bench.client.patch(paths.namespaces(bench.target), {"metadata": {"labels": {label: "restricted"}}})
    try:
        run = await bench.start(LOSS)
        result = await run.result()
    finally:
        await bench.client.patch(paths.namespaces(bench.target), {"metadata": {"labels": {label: "privileged"}}})
    print(told(result))
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "NotPermitted"), told(result)
    assert "PodSecurity" in result.message
    assert await run.record() is None
    assert await run.job_ended(guardian_name(run.job)) == "Complete"
