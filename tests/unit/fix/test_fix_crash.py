"""A runner that dies at any request: whoever undoes afterwards finds everything and leaves nothing.

Each test kills the runner at one of its requests: before it arrives, after it has taken effect, or so that it
arrives only when the undoing has begun.
"""

import copy
from typing import Any

import pytest
from fix_builders import BAD, GOOD, task, template
from fix_world import GATEWAY, RECORD, SANDBOX, Behaviour, World

from firedrill.api.changes import ChangeState, NamespaceCreated, TemplateReplaced
from firedrill.api.record import Record, RecordState
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import ClusterError
from firedrill.runner import fix
from firedrill.runner.record_store import RecordStore
from firedrill.runner.undoing import UndoContext, Undoing

pytestmark = pytest.mark.matrix


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class DyingClient:
    """Passes requests on to the world, until it dies at the given one."""

    def __init__(self, world: World, at: int, *, delivered: bool) -> None:
        self._world, self._at, self._delivered = world, at, delivered
        self.requests = 0
        self.last: tuple[str, tuple[Any, ...], dict[str, Any]] | None = None

    def __getattr__(self, verb: str) -> Any:
        async def ask(*arguments: Any, **options: Any) -> Any:
            self.requests += 1
            if self.requests == self._at:
                self.last = (verb, copy.deepcopy(arguments), options)
                if self._delivered:
                    await self._deliver()
                raise Killed
            if self.requests > self._at > 0:
                raise Killed
            return await getattr(self._world, verb)(*arguments, **options)

        return ask

    async def deliver_late(self) -> None:
        """The request that was under way arrives now; nobody hears the answer."""
        if self.last and self.last[0] in ("create", "patch", "delete"):
            await self._deliver()

    async def _deliver(self) -> None:
        assert self.last is not None
        verb, arguments, options = self.last
        try:
            await getattr(self._world, verb)(*arguments, **options)
        except ClusterError:
            return  # refused, with nobody there to hear of it


async def _run(world: World, client: DyingClient) -> None:
    context = world.context(task(spec={"verifyTimeout": "6s"}))
    store = RecordStore(client, context.task, world.clock)  # type: ignore[arg-type]
    dying = fix.RunContext(context.task, client, store, world.clock, context.identity, context.stop)  # type: ignore[arg-type]
    await fix.run(dying, dial=world.dial, api_address="10.0.0.1:443")


async def _requests_of_a_run() -> int:
    world = World(Behaviour(rollout_complete=None))
    client = DyingClient(world, 0, delivered=True)
    await _run(world, client)
    return client.requests


async def _guardian(world: World) -> Record:
    given = task()
    context = UndoContext(world, given, world.clock)  # type: ignore[arg-type]
    store = RecordStore(world, given, world.clock)  # type: ignore[arg-type]
    limit = world.clock.now().timestamp() + 120
    return await Undoing(context, store, fix.UNDO_TABLE, by="guardian").run(
        lambda: world.clock.now().timestamp() > limit, "the runner is gone"
    )


@pytest.mark.parametrize("arrival", ["never", "at once", "late"])
async def test_killed_at_any_request_nothing_remains(arrival: str) -> None:
    total = await _requests_of_a_run()
    assert total > 40
    applied = 0
    for at in range(1, total + 1):
        # The fix never becomes complete, so that no run ends by keeping it.
        world = World(Behaviour(rollout_complete=None))
        client = DyingClient(world, at, delivered=arrival == "at once")
        with pytest.raises(Killed):
            await _run(world, client)
        applied += world.objects[GATEWAY]["spec"]["template"] == template(GOOD)
        if arrival == "late" and RECORD in world.objects:
            await _one_round_then_late(world, client)
        if RECORD not in world.objects:
            assert SANDBOX not in world.objects, at
            assert world.objects[GATEWAY]["spec"]["template"] == template(BAD), at
            continue
        record = await _guardian(world)
        assert record.state == "Undone", (at, record)
        assert SANDBOX not in world.objects, at
        assert world.objects[GATEWAY]["spec"]["template"] == template(BAD), (at, client.last)
        assert world.objects[GATEWAY]["metadata"]["labels"] == {"team": "iot"}, (at, client.last)
        if arrival == "late":
            await client.deliver_late()
            assert world.objects[GATEWAY]["spec"]["template"] == template(BAD), (at, client.last)
    assert applied > 0


async def _one_round_then_late(world: World, client: DyingClient) -> None:
    """The guardian begins, and only then does the request arrive that was under way."""
    given = task()
    context = UndoContext(world, given, world.clock)  # type: ignore[arg-type]
    store = RecordStore(world, given, world.clock)  # type: ignore[arg-type]
    await Undoing(context, store, fix.UNDO_TABLE, by="guardian").run(lambda: True, "the runner is gone")
    if (
        client.last
        and RECORD not in str(client.last[1][0])
        and str(client.last[1][0]).rsplit("/", 1)[1] != "namespaces"
    ):
        await client.deliver_late()


async def test_a_patch_that_arrives_after_the_undoing_comes_too_late() -> None:
    """The one write to a Deployment that holds nothing of ours: it outdates what is still under way."""
    world = World()
    given = task()
    before = await world.get(GATEWAY)
    change = TemplateReplaced(
        namespace="devices", name="gateway", uid="deploy-1", original=template(BAD), replacement=template(GOOD),
        proposal="p", state="Applied", evidence="a patch is under way",
    )  # fmt: skip
    await RecordStore(world, given, world.clock).claim(  # type: ignore[arg-type]
        Record(uid="uid-1", run_id="run1", cluster="dev", kind="AutoFix", claim="x", deadline=given.deadline,
               state="Applying", changes=[NamespaceCreated(namespace="", name="firedrill-sandbox-run1"), change])
    )  # fmt: skip
    record = await _guardian(world)
    assert record.state == "Undone"
    after = await world.get(GATEWAY)
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    assert after["spec"] == before["spec"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    late = fix.undo.restore_patch("deploy-1", before["metadata"]["resourceVersion"], template(GOOD))
    with pytest.raises(ClusterError):
        await world.patch(GATEWAY, late, content_type=JSON_PATCH)


async def test_a_change_that_was_never_begun_writes_nothing() -> None:
    world = World()
    change = TemplateReplaced(
        namespace="devices", name="gateway", uid="deploy-1", original=template(BAD), replacement=template(GOOD),
        proposal="p",
    )  # fmt: skip
    context = UndoContext(world, task(), world.clock)  # type: ignore[arg-type]
    seen = await fix.undo.undo_template(context, change)
    assert seen.change.state == "Undone"
    assert world.writes == []


async def test_a_namespace_that_is_created_after_the_run_was_undone_does_not_stay() -> None:
    """The runner was held up between its last look at the record and the request."""
    world = World()

    def undone_meanwhile(verb: str, path: str, _: Any) -> None:
        if (verb, path) == ("create", "/api/v1/namespaces"):
            body = world.objects[RECORD]
            settled = Record.model_validate_json(body["data"]["record.json"])
            changes = [item.model_copy(update={"state": ChangeState.UNDONE}) for item in settled.changes]
            settled = settled.model_copy(update={"state": RecordState.UNDONE, "changes": changes})
            body["data"]["record.json"] = settled.model_dump_json(by_alias=True)
            world.put(RECORD, body)

    world.hooks.append(undone_meanwhile)
    result = await fix.run(world.context(task()), dial=world.dial, api_address="10.0.0.1:443")
    assert result is not None
    assert result.reason == "GuardianActed"
    assert SANDBOX not in world.objects
    assert world.objects[GATEWAY]["spec"]["template"] == template(BAD)
