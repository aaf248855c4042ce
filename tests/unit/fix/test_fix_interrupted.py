"""Runs that others interfere with: approvals, aborts, changes by others, answers that are lost."""

from datetime import timedelta
from typing import Any

import pytest
from fix_builders import BAD, GOOD, T0, deployment, task, template
from fix_runs import findings, production_writes, record, run, set_control
from fix_world import GATEWAY, RECORD, SANDBOX, Behaviour, World

from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import Unreachable
from firedrill.runner import fix


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
