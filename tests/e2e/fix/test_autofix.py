"""Real runs of AutoFix: real Jobs, real pods, real isolation."""

import asyncio
from typing import Any

import pytest
from fix_harness import BAD_IMAGE, IMAGE, RUNNER_NAMESPACE, Run, Target, kubectl, only_elsewhere, wait_for

from firedrill.api.task import Result
from firedrill.api.verdict import Verdict

pytestmark = pytest.mark.e2e


def findings(result: Result) -> dict[str, str]:
    return {item.type: f"{item.status} {item.reason}" for item in result.findings}


async def image(target: Target) -> str:
    found: str = (await target.deployment())["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


async def assert_nothing_left(target: Target, run: Run, *, fixed: bool) -> None:
    """No sandbox, and our label only where the fix stays."""
    record = await run.record()
    if record is not None:
        assert record.state == ("Kept" if fixed else "Undone"), record
    assert not await run.sandbox_exists()
    labels = (await target.deployment())["metadata"].get("labels") or {}
    assert ("firedrill.dev/fix" in labels) is fixed
    sets = kubectl("-n", target.namespace, "get", "rs", "-o", "yaml")
    assert "firedrill.dev" not in sets


async def test_auto(target: Target) -> None:
    await target.deploy()
    await target.break_it()
    result = await (run := await target.start()).result()
    print(result.message, {item.name: item.value for item in result.measurements})
    assert (result.verdict, result.reason) == (Verdict.PASSED, "FixVerified"), result.message
    assert await image(target) == IMAGE
    attempts = result.report["sandbox"]["attempts"]
    assert len(attempts) >= 3  # the API server, a Service and a pod of production
    assert not any(item["connected"] for item in attempts)
    assert sum(item["connected"] for item in result.report["control"]) >= len(attempts)
    await run.settled()
    await assert_nothing_left(target, run, fixed=True)
    reasons = kubectl("-n", target.namespace, "get", "events", "-o", "jsonpath={.items[*].reason}")
    assert {"FiredrillFixProposed", "FiredrillFixApplied", "FiredrillFixVerified"} <= set(reasons.split())


async def test_manual_waits_for_the_right_hash(target: Target) -> None:
    await target.deploy()
    await target.break_it()
    run = await target.start(approval="manual", approvalTimeout="2m")

    async def waiting() -> Any:
        record = await run.record()
        return record if record and record.awaiting_approval else None

    record = await wait_for("the proposal", waiting)
    assert not await run.sandbox_exists()
    await run.control(approved="0123456789abcdef", approvedBy="mallory")
    await asyncio.sleep(6)
    assert await image(target) == BAD_IMAGE
    await run.control(approved=record.proposal, approvedBy="ada")
    result = await run.result()
    assert (result.verdict, result.reason) == (Verdict.PASSED, "FixVerified"), result.message
    approvals = [(item["result"], item["askedBy"]) for item in result.report["audit"] if item["what"] == "approve"]
    assert approvals == [("refused", "mallory"), ("approved", "ada")]
    await run.settled()
    await assert_nothing_left(target, run, fixed=True)


async def test_an_approval_that_does_not_come_expires(target: Target) -> None:
    await target.deploy()
    await target.break_it()
    run = await target.start(approval="manual", approvalTimeout="5s")
    result = await run.result()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "ApprovalExpired"), result.message
    assert await image(target) == BAD_IMAGE
    await assert_nothing_left(target, run, fixed=False)


async def test_nothing_to_fix(target: Target) -> None:
    await target.deploy()
    result = await (run := await target.start()).result()
    assert (result.verdict, result.reason) == (Verdict.PASSED, "NothingToFix"), result.message
    assert await run.record() is None


async def test_no_revision_to_go_back_to(target: Target) -> None:
    await target.deploy(BAD_IMAGE, ready=False)
    result = await (await target.start()).result()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "NoHealthyRevision"), result.message


async def test_a_proposal_that_crashes_is_caught_in_the_sandbox(target: Target) -> None:
    await target.deploy(ready=False, command=["python3", "-c", "raise SystemExit(3)"])
    await target.break_it()
    run = await target.start(sandboxTimeout="15s")
    result = await run.result()
    assert (result.verdict, result.reason) == (Verdict.FAILED, "SandboxFailed"), result.message
    assert "exit 3" in result.message
    await assert_nothing_left(target, run, fixed=False)


async def test_a_template_that_needs_a_secret_is_refused(target: Target) -> None:
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    kubectl("-n", target.namespace, "create", "secret", "generic", "db", "--from-literal=password=x")
    await target.deploy(env=[{"name": "PASSWORD", "valueFrom": reference}])
    await target.break_it()
    result = await (await target.start()).result()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "SandboxNotPossible"), result.message
    assert "Secret db" in result.message


async def test_a_fix_that_does_not_help_is_rolled_back(target: Target) -> None:
    await target.deploy(ready=False, **only_elsewhere(target.namespace))
    await target.break_it()
    run = await target.start(verifyTimeout="12s")
    result = await run.result()
    print(result.message)
    assert (result.verdict, result.reason) == (Verdict.FAILED, "RolledBack"), result.message
    assert findings(result)["SandboxVerified"] == "True Ready"
    assert findings(result)["RolledBack"] == "True RolledBack"
    assert await image(target) == BAD_IMAGE
    await run.settled()
    await assert_nothing_left(target, run, fixed=False)


async def _applied(target: Target) -> bool:
    return await image(target) == IMAGE


async def test_the_guardian_restores_when_the_runner_dies_after_applying(target: Target) -> None:
    await target.deploy(ready=False, **only_elsewhere(target.namespace))
    await target.break_it()
    run = await target.start(verifyTimeout="100s")
    await wait_for("the fix to be applied", lambda: _applied(target), 120)
    await run.kill_runner()
    record = await run.settled(60)
    assert record.undone_by == "guardian", record
    assert await image(target) == BAD_IMAGE
    await assert_nothing_left(target, run, fixed=False)


async def test_the_guardian_removes_the_sandbox_of_a_dead_runner(target: Target) -> None:
    await target.deploy()
    await target.break_it()
    run = await target.start()
    await wait_for("the sandbox", run.sandbox_exists)
    await run.kill_runner()
    record = await run.settled(90)
    assert record.undone_by == "guardian", record
    assert await image(target) == BAD_IMAGE
    await assert_nothing_left(target, run, fixed=False)


async def test_an_abort_while_waiting_undoes_everything(target: Target) -> None:
    await target.deploy()
    await target.break_it()
    run = await target.start(approval="manual", approvalTimeout="2m")

    async def waiting() -> bool:
        record = await run.record()
        return record is not None and record.awaiting_approval

    await wait_for("the proposal", waiting)
    await run.control(abort="Superseded")
    result = await run.result()
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Superseded"), result.message
    await assert_nothing_left(target, run, fixed=False)


async def test_without_the_rules_the_canary_connects(target: Target) -> None:
    """That the sandbox is cut off is the rules' doing: the same canary without them reaches the API server."""
    address = kubectl("-n", "default", "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}") + ":443"
    security = "--overrides=" + (
        '{"spec":{"restartPolicy":"Never","securityContext":{"runAsNonRoot":true,"runAsUser":65532,'
        '"seccompProfile":{"type":"RuntimeDefault"}},"containers":[{"name":"canary","image":"' + IMAGE + '",'
        '"command":["firedrill","isolate","--canary","' + address + '"],'
        '"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}'
    )
    kubectl("-n", target.namespace, "run", "canary", "--image", IMAGE, "--restart=Never", security)

    async def ended() -> str:
        path = "jsonpath={.status.containerStatuses[0].state.terminated.message}"
        return kubectl("-n", target.namespace, "get", "pod", "canary", "-o", path)

    assert '"connected": true' in await wait_for("the canary", ended)


#: Serves only where every way out of its pod is shut; in the namespace of the Deployment it just serves.
TRIES_TO_GET_OUT = """
import os, socket, sys
api = os.environ["API"]
def tcp(): socket.create_connection((api, 443), timeout=2).close()
def udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (api, 53))
def raw(): socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
def ping(): socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
out = []
for way in (tcp, udp, raw, ping):
    try:
        way()
    except OSError as error:
        print(way.__name__, "is shut:", error, flush=True)
    else:
        out.append(way.__name__)
if out and os.environ["HERE"].startswith("firedrill-sandbox-"):
    sys.exit(f"got out by {out}")
os.execvp("python3", ["python3", "-m", "http.server", "8080", "--directory", "/proc/self/fdinfo"])
"""


async def test_what_runs_in_the_sandbox_gets_out_by_no_way(target: Target) -> None:
    address = kubectl("-n", "default", "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    here = {"name": "HERE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    await target.deploy(command=["python3", "-c", TRIES_TO_GET_OUT], env=[{"name": "API", "value": address}, here])
    said = kubectl("-n", target.namespace, "logs", "deployment/gateway")
    assert "tcp" not in said, "the same attempt must succeed in production, or it proves nothing"
    assert "udp" not in said
    await target.break_it()
    result = await (await target.start()).result()
    assert (result.verdict, result.reason) == (Verdict.PASSED, "FixVerified"), result.message


@pytest.mark.parametrize(
    ("account", "arguments"),
    [
        ("firedrill-fixer", ["-n", "default", "create", "configmap", "x"]),
        ("firedrill-fixer", ["-n", "default", "run", "x", "--image", IMAGE]),
        ("firedrill-fixer", ["create", "namespace", "x"]),
        ("firedrill-fixer", ["delete", "namespace", "TARGET"]),
        ("firedrill-guardian", ["delete", "namespace", "TARGET"]),
    ],
)
async def test_the_accounts_reach_sandboxes_alone(target: Target, account: str, arguments: list[str]) -> None:
    identity = f"--as=system:serviceaccount:{RUNNER_NAMESPACE}:{account}"
    given = [target.namespace if item == "TARGET" else item for item in arguments]
    with pytest.raises(AssertionError, match="Firedrill creates and deletes sandboxes alone"):
        kubectl(identity, *given, "--dry-run=server")
