"""Faults inside of real pods: they hurt as they say, and end with every process of Firedrill dead."""

from typing import Any

import pytest
from chaos_harness import Bench, Object
from orphaning import all_of_ours_die, seen_to, until_it_must_be_over
from test_chaos_real import told, values

from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from support.pod_process import holders_on_this_machine

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LATENCY = {"networkLatency": {"port": 8080, "delay": "700ms"}}
ABORT = {"httpAbort": {"port": 8080, "status": 503}}
CPU = {"cpuStress": {"workers": 1}}
MEMORY = {"memoryStress": {"limitPercent": 60}}
#: Run in a pod of the target: how many milliseconds an answer takes, at the median of five.
ASK = """
import socket, sys, time
took = []
for _ in range(5):
    began = time.monotonic()
    with socket.create_connection((sys.argv[1], 8080), timeout=5) as conn:
        conn.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        conn.recv(1)
    took.append(time.monotonic() - began)
print(round(1000 * sorted(took)[2]))
"""
#: It is slow, not away: what counts is what the proxy has counted.
HURT: list[tuple[str, Object, bool]] = [
    ("latency", LATENCY, False),
    ("long latency", {"networkLatency": {"port": 8080, "delay": "3s"}}, True),
    ("abort", ABORT, True),
    ("cpu", CPU, False),
    ("memory", MEMORY, False),
]


@pytest.mark.parametrize(("fault", "fails"), [each[1:] for each in HURT], ids=[each[0] for each in HURT])
async def test_it_hurts_and_is_gone_afterwards(bench: Bench, fault: Object, fails: bool) -> None:
    run = await bench.start(fault, target={"mode": "All"})
    result = await run.result()
    seen = values(result)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), told(result)
    assert ((seen["successRateDuring"] or 0) < 0.5) == fails
    assert [item.status for item in result.findings] == ["True"] * 3
    record = await run.state("Undone")
    assert record.undone_by == "runner"
    assert all("what remains of Firedrill in the pod: []" in change.evidence for change in record.changes)
    for pod in await bench.pods("ledger"):
        assert holders_on_this_machine(pod["metadata"]["uid"]) == []


@pytest.mark.parametrize("fault", [CPU, MEMORY], ids=["cpu", "memory"])
async def test_with_nobody_left_a_load_ends_by_itself(bench: Bench, fault: Any) -> None:
    run = await bench.start(fault, duration="25s", timeout="5m")
    record = await all_of_ours_die(bench, run)
    uid = record.changes[0].uid
    assert any("stress" in line for line in holders_on_this_machine(uid))
    await until_it_must_be_over(record)
    assert holders_on_this_machine(uid) == []
    await seen_to(bench, run, record)


async def test_with_nobody_left_a_redirect_ends_by_itself(bench: Bench) -> None:
    """In pods that many containers were brought to before."""
    run = await bench.start(LATENCY, target={"mode": "All"}, duration="30s", timeout="5m")
    record = await all_of_ours_die(bench, run)
    addresses = [pod["status"]["podIP"] for pod in await bench.pods("ledger")]
    assert all(bench.asks(ASK, address) >= 650 for address in addresses)
    await until_it_must_be_over(record)
    assert all(bench.asks(ASK, address) < 500 for address in addresses)
    await seen_to(bench, run, record)
    for pod in await bench.pods("ledger"):
        assert holders_on_this_machine(pod["metadata"]["uid"]) == []


async def test_pod_security_restricted_admits_loads_of_pods_that_name_their_user(bench: Bench) -> None:
    label = "pod-security.kubernetes.io/enforce"
    # Spent containers of other faults count too: these pods have none.
    untouched = {"matchLabels": {"app": "fraud"}}
    await bench.client.patch(paths.namespaces(bench.target), {"metadata": {"labels": {label: "restricted"}}})
    try:
        load = await (await bench.start(CPU, target=untouched)).result()
        slow = await (await bench.start(LATENCY, target=untouched)).result()
    finally:
        await bench.client.patch(paths.namespaces(bench.target), {"metadata": {"labels": {label: "privileged"}}})
    assert (load.verdict, load.reason) == (Verdict.PASSED, "SteadyStateHeld"), told(load)
    assert (slow.verdict, slow.reason) == (Verdict.INCONCLUSIVE, "NotPermitted"), told(slow)
    assert "PodSecurity" in slow.message


async def test_a_load_ends_with_its_holder(bench: Bench) -> None:
    run = await bench.start(CPU, duration="60s", timeout="5m")
    record = await run.state("Applied")
    uid = record.changes[0].uid
    await run.abort("Superseded: the spec changed")
    await run.state("Undone", seconds=40)
    assert holders_on_this_machine(uid) == []
