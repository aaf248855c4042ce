"""Whole runs against a cluster in memory: what is concluded, what is changed, what is left."""

import json
from typing import Any

import pytest
from fix_builders import BAD, GOOD, deployment, pod, replica_set, template
from fix_runs import findings, production_writes, record, run
from fix_world import GATEWAY, RECORD, SANDBOX, Behaviour, World

from firedrill.api.verdict import Verdict


async def test_a_fix_is_proven_applied_verified_and_kept() -> None:
    world = World()
    result = await run(world)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "FixVerified"), result.message
    assert world.objects[GATEWAY]["spec"]["template"] == template(GOOD)
    assert record(world).state == "Kept"
    assert SANDBOX not in world.objects
    assert findings(result) == {
        "Proposed": ("True", "BackToRevision"),
        "SandboxVerified": ("True", "Ready"),
        "Approved": ("True", "Auto"),
        "Applied": ("True", "TemplateReplaced"),
        "Verified": ("True", "RolloutComplete"),
        "RolledBack": ("False", "NotNeeded"),
    }
    values = {item.name: item.value for item in result.measurements}
    assert values["replicas available after"] == 2
    assert values["rollout complete after"] == pytest.approx(4, abs=1.5)
    reasons = [item["reason"] for path, item in world.objects.items() if "/events/" in path]
    assert sorted(reasons) == ["FiredrillFixApplied", "FiredrillFixProposed", "FiredrillFixVerified"]


async def test_the_record_is_written_before_anything_is_created() -> None:
    world = World()
    await run(world)
    creating = [path for verb, path in world.writes if verb == "create" and "events" not in path]
    assert creating[0] == "/api/v1/namespaces/firedrill/configmaps"
    assert creating[1] == "/api/v1/namespaces"


async def test_the_sandbox_is_gone_before_production_is_touched() -> None:
    world = World()
    seen: list[bool] = []
    world.hooks.append(
        lambda verb, path, _: seen.append(SANDBOX in world.objects) if (verb, path) == ("patch", GATEWAY) else None
    )
    await run(world)
    assert seen == [False]


async def test_every_decision_is_in_the_audit() -> None:
    result = await run(World())
    audit = result.report["audit"]
    assert [entry["what"] for entry in audit] == [
        "touch the namespace", "look at the rollout", "propose", "dry run", "choose canary addresses",
        "claim the record", "wait for the guardian", "try out in the sandbox", "delete the sandbox", "approve", "apply",
        "verify", "end the run",
    ]  # fmt: skip
    assert all({"at", "askedBy", "decidedBy", "why", "evidence", "result"} <= set(entry) for entry in audit)
    assert audit[0]["askedBy"] == "unknown"


def _healthy(world: World) -> None:
    body = deployment(template(GOOD), replicas=2, updatedReplicas=2, availableReplicas=2)
    body["status"]["replicas"] = 2
    world.put(GATEWAY, body)


def _missing(world: World) -> None:
    del world.objects[GATEWAY]


def _no_namespace(world: World) -> None:
    del world.objects["/api/v1/namespaces/devices"]


def _not_opted_in(world: World) -> None:
    world.put("/api/v1/namespaces/devices", {"metadata": {"labels": {}}})


def _paused(world: World) -> None:
    world.put(GATEWAY, deployment(paused=True))


def _crash_loop(world: World) -> None:
    crashing = pod(
        "new-a", "new", image=BAD, ready=False, restarts=3, waiting={"reason": "CrashLoopBackOff"},
    )  # fmt: skip
    world.put("/api/v1/namespaces/devices/pods/new-a", crashing)


def _no_old_revision(world: World) -> None:
    del world.objects["/apis/apps/v1/namespaces/devices/replicasets/old"]


def _needs_secret(world: World) -> None:
    old = template(GOOD, volumes=[{"name": "keys", "secret": {"secretName": "keys"}}])
    world.put("/apis/apps/v1/namespaces/devices/replicasets/old", replica_set("old", 1, old, 2))


def _needs_config(world: World) -> None:
    old = template(GOOD, volumes=[{"name": "c", "configMap": {"name": "absent"}}])
    world.put("/apis/apps/v1/namespaces/devices/replicasets/old", replica_set("old", 1, old, 2))


def _api_out_of_reach(world: World) -> None:
    world.reachable = ()


def _strangers_namespace(world: World) -> None:
    world.put(SANDBOX, {"metadata": {"labels": {}}})


def _nothing(_: World) -> None:
    return None


@pytest.mark.parametrize(
    ("arrange", "behaviour", "changes", "verdict", "reason"),
    [
        (_healthy, Behaviour(), {}, Verdict.PASSED, "NothingToFix"),
        (_missing, Behaviour(), {}, Verdict.INCONCLUSIVE, "DeploymentNotFound"),
        (_no_namespace, Behaviour(), {}, Verdict.INCONCLUSIVE, "DeploymentNotFound"),
        (_not_opted_in, Behaviour(), {}, Verdict.INCONCLUSIVE, "NotPermitted"),
        (_nothing, Behaviour(), {"policy": {"targetNamespaces": ["other"]}}, Verdict.INCONCLUSIVE, "NotPermitted"),
        (_nothing, Behaviour(), {"policy": {"kinds": ["DriftCheck"]}}, Verdict.INCONCLUSIVE, "NotPermitted"),
        (_nothing, Behaviour(), {"runnerNamespace": "devices"}, Verdict.INCONCLUSIVE, "NotPermitted"),
        (_paused, Behaviour(), {}, Verdict.INCONCLUSIVE, "DeploymentPaused"),
        (_crash_loop, Behaviour(), {}, Verdict.INCONCLUSIVE, "NoKnownFix"),
        (_no_old_revision, Behaviour(), {}, Verdict.INCONCLUSIVE, "NoHealthyRevision"),
        (_needs_secret, Behaviour(), {}, Verdict.INCONCLUSIVE, "SandboxNotPossible"),
        (_needs_config, Behaviour(), {}, Verdict.INCONCLUSIVE, "SandboxNotPossible"),
        (_strangers_namespace, Behaviour(), {}, Verdict.INCONCLUSIVE, "SandboxNotPossible"),
        (_api_out_of_reach, Behaviour(), {}, Verdict.INCONCLUSIVE, "SandboxNotIsolated"),
        (_nothing, Behaviour(refuse_dry_run="quota"), {}, Verdict.INCONCLUSIVE, "DryRunRefused"),
        (_nothing, Behaviour(guardian_armed=None), {}, Verdict.INCONCLUSIVE, "GuardianNotReady"),
        (_nothing, Behaviour(leaks=("10.0.0.1:443",)), {}, Verdict.INCONCLUSIVE, "SandboxNotIsolated"),
        (_nothing, Behaviour(isolate_fails="no nft"), {}, Verdict.INCONCLUSIVE, "SandboxNotIsolated"),
        (_nothing, Behaviour(sandbox_ready=None), {}, Verdict.FAILED, "SandboxFailed"),
        (_nothing, Behaviour(namespace_gone=1e6), {}, Verdict.INCONCLUSIVE, "SandboxNotGone"),
        (_nothing, Behaviour(), {"spec": {"approval": "manual", "approvalTimeout": "5s"}},
         Verdict.INCONCLUSIVE, "ApprovalExpired"),
    ],
)  # fmt: skip
async def test_a_gate_that_does_not_open_ends_the_run_and_leaves_production_alone(
    arrange: Any, behaviour: Behaviour, changes: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    world = World(behaviour)
    arrange(world)
    before = json.dumps(world.objects.get(GATEWAY), sort_keys=True)
    result = await run(world, **changes)
    assert (result.verdict, result.reason) == (verdict, reason), result.message
    assert production_writes(world) == []
    assert json.dumps(world.objects.get(GATEWAY), sort_keys=True) == before
    assert result.report["audit"][-1]["why"].startswith(reason)
    if behaviour.namespace_gone < 1000 and arrange is not _strangers_namespace:
        assert SANDBOX not in world.objects
        assert RECORD not in world.objects or record(world).state == "Undone"
    assert findings(result)["Applied"][0] != "True"


async def test_a_namespace_of_that_name_which_is_not_ours_is_left() -> None:
    world = World()
    _strangers_namespace(world)
    await run(world)
    assert "deletionTimestamp" not in world.objects[SANDBOX]["metadata"]
