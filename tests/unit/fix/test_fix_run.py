"""Whole runs against a cluster in memory: what is concluded, what is changed, what is left."""

import json
from datetime import timedelta
from typing import Any

import pytest
from fix_builders import BAD, GOOD, T0, deployment, pod, replica_set, task, template
from fix_world import GATEWAY, RECORD, SANDBOX, Behaviour, World

from firedrill.api.record import Record
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import Unreachable
from firedrill.runner import fix


async def run(world: World, **changes: Any) -> Result:
    context = world.context(task(**changes))
    return await fix.run(context, dial=world.dial, api_address="10.0.0.1:443")


def record(world: World) -> Record:
    return Record.model_validate_json(world.objects[RECORD]["data"]["record.json"])


def findings(result: Result) -> dict[str, tuple[str, str]]:
    return {item.type: (item.status.value, item.reason) for item in result.findings}


def production_writes(world: World) -> list[tuple[str, str]]:
    """Writes to the production namespace but for Events."""
    return [
        (verb, path)
        for verb, path in world.writes
        if "/namespaces/devices" in path and "events" not in path and verb != "dry-run"
    ]


def set_control(world: World, **control: Any) -> None:
    body = world.objects[RECORD]
    body["data"]["control.json"] = json.dumps(control)
    world.put(RECORD, body)


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


async def test_a_fix_that_does_not_help_is_rolled_back() -> None:
    world = World(Behaviour(rollout_complete=None))
    result = await run(world)
    assert (result.verdict, result.reason) == (Verdict.FAILED, "RolledBack"), result.message
    found = world.objects[GATEWAY]
    assert found["spec"]["template"] == template(BAD)
    assert found["metadata"]["labels"] == {"team": "iot"}
    assert record(world).state == "Undone"
    assert findings(result)["Verified"] == ("False", "RolloutNotComplete")
    assert findings(result)["RolledBack"] == ("True", "RolledBack")


async def test_what_others_set_during_the_verification_is_left() -> None:
    world = World(Behaviour(rollout_complete=None))
    theirs = template("registry.example/gateway:3")

    def someone_else(_: Any) -> None:
        found = world.objects[GATEWAY]
        if found["spec"]["template"] == template(GOOD):
            world.put(GATEWAY, {**found, "spec": {**found["spec"], "template": theirs}})

    world.clock.on_tick.append(someone_else)
    result = await run(world)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "ChangedMeanwhile"), result.message
    assert world.objects[GATEWAY]["spec"]["template"] == theirs
    assert world.objects[GATEWAY]["metadata"]["labels"] == {"team": "iot"}
    assert record(world).state == "Undone"
    assert any("left as it is" in text for text in record(world).residues)


async def test_a_deployment_changed_while_the_sandbox_ran_is_not_touched() -> None:
    world = World()
    theirs = deployment(template("registry.example/gateway:3"))
    world.hooks.append(
        lambda verb, path, _: world.put(GATEWAY, theirs) if (verb, path) == ("create", f"{SANDBOX}/pods") else None
    )
    result = await run(world)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "ChangedMeanwhile"), result.message
    assert production_writes(world) == []


async def test_the_status_of_a_failing_rollout_may_change_all_the_time() -> None:
    """Each write to the Deployment outdates the resourceVersion that a patch is guarded by."""
    world = World()
    left = [3, 3]

    def busy(verb: str, path: str, _: Any) -> None:
        slot = 0 if verb == "dry-run" else 1
        if path == GATEWAY and left[slot]:
            left[slot] -= 1
            world.put(GATEWAY, world.objects[GATEWAY])

    world.hooks.append(busy)
    result = await run(world)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "FixVerified"), result.message
    assert left == [0, 0]


@pytest.mark.parametrize("arrives", [True, False])
async def test_an_answer_that_is_lost_is_looked_for(arrives: bool) -> None:
    class Lossy(World):
        lost = False

        async def patch(self, path: str, body: Any, **options: Any) -> Any:
            if path != GATEWAY or options.get("dry_run") or self.lost:
                return await super().patch(path, body, **options)
            self.lost = True
            if arrives:
                await super().patch(path, body, **options)
            raise Unreachable("no answer")

    world = Lossy()
    result = await run(world)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "FixVerified"), result.message
    assert world.lost
    assert len([1 for verb, path in world.writes if (verb, path) == ("patch", GATEWAY)]) == 1
    assert record(world).state == "Kept"


async def test_manual_approval_waits_for_the_hash_of_this_very_proposal() -> None:
    world = World()
    said: list[str] = []

    def operator(_: Any) -> None:
        if RECORD not in world.objects or not record(world).awaiting_approval:
            return
        assert SANDBOX not in world.objects
        if not said:
            said.append("wrong")
            set_control(world, approved="0000000000000000", approvedBy="mallory")
        elif len(said) < 4:
            said.append("wait")
        else:
            set_control(world, approved=record(world).proposal, approvedBy="ada")

    world.clock.on_tick.append(operator)
    result = await run(world, spec={"approval": "manual", "approvalTimeout": "1h"})
    assert (result.verdict, result.reason) == (Verdict.PASSED, "FixVerified"), result.message
    assert findings(result)["Approved"] == ("True", "ApprovedByHash")
    approvals = [(e["result"], e["askedBy"]) for e in result.report["audit"] if e["what"] == "approve"]
    assert approvals == [("refused", "mallory"), ("approved", "ada")]
    assert not record(world).awaiting_approval


async def test_the_wrong_hash_is_no_approval() -> None:
    world = World()
    world.clock.on_tick.append(
        lambda _: set_control(world, approved="0000000000000000") if RECORD in world.objects else None
    )
    result = await run(world, spec={"approval": "manual", "approvalTimeout": "10s"})
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "ApprovalExpired")
    assert "another one" in result.message
    assert production_writes(world) == []


@pytest.mark.parametrize("when", ["awaiting", "sandbox", "applied"])
async def test_an_abort_undoes_everything(when: str) -> None:
    world = World(Behaviour(rollout_complete=None))

    def operator(_: Any) -> None:
        if RECORD not in world.objects:
            return
        now = {
            "awaiting": record(world).awaiting_approval,
            "sandbox": SANDBOX in world.objects,
            "applied": record(world).state == "Applied",
        }
        if now[when]:
            set_control(world, abort="Superseded")

    world.clock.on_tick.append(operator)
    changes = {"spec": {"approval": "manual"}} if when == "awaiting" else {}
    result = await run(world, **changes)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Superseded"), result.message
    assert record(world).state == "Undone"
    assert SANDBOX not in world.objects
    assert world.objects[GATEWAY]["spec"]["template"] == template(BAD)


async def test_a_run_that_was_cancelled_before_it_began_changes_nothing() -> None:
    world = World()
    world.put(RECORD, {"data": {"control.json": '{"abort": "Deleted"}'}})
    result = await run(world)
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Deleted")
    assert "create" not in [verb for verb, path in world.writes if "events" not in path and "configmaps" not in path]


async def test_a_signal_to_stop_undoes_everything() -> None:
    world = World(Behaviour(rollout_complete=None))
    context = world.context(task())
    world.clock.on_tick.append(
        lambda _: (
            context.stop.ask("Terminated") if RECORD in world.objects and record(world).state == "Applied" else None
        )
    )
    result = await fix.run(context, dial=world.dial, api_address="10.0.0.1:443")
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Terminated")
    assert world.objects[GATEWAY]["spec"]["template"] == template(BAD)
    assert record(world).state == "Undone"


async def test_too_little_time_to_verify_applies_nothing() -> None:
    world = World()
    result = await run(world, deadline=T0 + timedelta(seconds=60), spec={"verifyTimeout": "60s"})
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "Timeout"), result.message
    assert production_writes(world) == []
