"""A redirect that nobody is left to undo, in pods that nothing was done to before."""

import pytest
from chaos_harness import Bench
from orphaning import all_of_ours_die, seen_to, until_it_must_be_over

from support.pod_process import holders_on_this_machine

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

LATENCY = {"networkLatency": {"port": 8080, "delay": "700ms"}}
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


async def test_with_nobody_left_a_redirect_ends_by_itself(bench: Bench) -> None:
    run = await bench.start(LATENCY, target={"mode": "All"}, duration="30s", timeout="5m")
    record = await all_of_ours_die(bench, run)
    addresses = [pod["status"]["podIP"] for pod in await bench.pods("ledger")]
    assert all(bench.asks(ASK, address) >= 650 for address in addresses)
    await until_it_must_be_over(record)
    assert all(bench.asks(ASK, address) < 500 for address in addresses)
    await seen_to(bench, run, record)
    for pod in await bench.pods("ledger"):
        assert holders_on_this_machine(pod["metadata"]["uid"]) == []
