"""Faults of other engines at a real API server, with the rights that the chart gives and no others.

Chaos Mesh and Litmus are played by stand-ins that write what their controllers are documented to write.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from firedrill.api.changes import Change, ChangeState, EngineStarted, ToolkitStarted
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.task import Task
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.clusters.access import allowed
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.faults.driver import Engine, Fault
from firedrill.runner.faults.table import UNDO, fault_of
from firedrill.runner.faults.toolkit import ToolkitFault
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore
from firedrill.runner.undoing import UndoContext
from support.eventually import eventually
from support.identities import clients_of
from support.kube import Cluster, HttpError, Object
from support.other_operators import ENGINE, MESH, RESULT, WITNESS, OtherOperators, definitions
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

LOSS: Object = {"chaosMesh": {"kind": "NetworkChaos", "spec": {"action": "loss", "loss": {"loss": "100"}}}}
LITMUS: Object = {"litmus": {"experiment": "pod-network-loss", "env": {"TOTAL_CHAOS_DURATION": "2"}}}
LITMUS_THAT_TAKES_LONG: Object = {"litmus": {"experiment": "pod-network-loss", "env": {"TOTAL_CHAOS_DURATION": "30"}}}


def scaled(count: int) -> Object:
    arguments = {"name": "shop", "replicas": count, "ns": "${where}"}
    provider = {"type": "python", "module": "chaosk8s.deployment.actions", "func": "scale_deployment"}
    return {"type": "action", "name": f"scale to {count}", "provider": {**provider, "arguments": arguments}}


@pytest.fixture(scope="module")
def operators(world: World) -> Iterator[OtherOperators]:
    """Both stand-ins, with their definitions served."""
    cluster = world.hub
    for body in definitions():
        cluster.apply(body)
    for api, plural, _ in (MESH, ENGINE, RESULT):
        where = paths.path(api, plural)
        eventually(lambda where=where: _served(cluster, where), f"{plural} are served")  # type: ignore[misc]
    made = OtherOperators(cluster)
    made.start()
    yield made
    made.stop()
    for body in definitions():
        cluster.delete(
            paths.path("apiextensions.k8s.io/v1", "customresourcedefinitions", name=body["metadata"]["name"])
        )


def _served(cluster: Cluster, where: str) -> bool:
    try:
        return "items" in cluster.get(where)
    except HttpError:
        return False


@dataclass
class Place:
    """A namespace that takes part, and the runner and the guardian with their own rights."""

    cluster: Cluster
    namespace: str
    runner: RunContext
    guardian: UndoContext
    task: Task
    spec: ChaosExperimentSpec

    def there(self, kind: tuple[str, str, str], name: str) -> bool:
        return self.cluster.find(paths.path(kind[0], kind[1], self.namespace, name)) is not None

    @property
    def suffers(self) -> bool:
        return self.cluster.find(paths.configmaps(self.namespace, WITNESS)) is not None

    @property
    def replicas(self) -> int:
        return int(self.cluster.get(paths.deployments(self.namespace, "shop"))["spec"]["replicas"])


@pytest_asyncio.fixture
async def make(world: World) -> AsyncIterator[Any]:
    """Makes a place for a fault."""
    async with clients_of(world) as client:

        async def place(fault: Object) -> Place:
            namespace = world.hub.namespace(world.namespace(), {"firedrill.dev/experiments": "enabled"})
            raw = {
                "clusters": {"names": ["hub"]},
                "duration": "30s",
                "steadyState": {"http": {"url": "http://shop/"}},
                "target": {"namespace": namespace, "matchLabels": {"app": "shop"}},
                "fault": fault,
            }
            spec = ChaosExperimentSpec.model_validate(raw)
            policy = {
                "chaosToolkit": {"modules": ["chaosk8s.deployment.actions"]},
                "litmus": {"serviceAccount": "litmus"},
            }
            task = Task.model_validate(
                {
                    "kind": "ChaosExperiment",
                    "namespace": "sre",
                    "name": "shop",
                    "uid": "u",
                    "runId": "abc1234567",
                    "cluster": "hub",
                    "runnerNamespace": HUB_NAMESPACE,
                    "job": "cha-shop",
                    "jobUid": "j",
                    "startedAt": "2026-07-01T12:00:00Z",
                    "deadline": "2036-07-01T12:10:00Z",
                    "image": "firedrill/runner:1",
                    "policy": policy,
                    "spec": raw,
                }
            )
            clock = SystemClock()
            runner, guardian = await client(f"firedrill-chaos-{spec.fault.family}"), await client("firedrill-guardian")
            identity = Identity("runner", "runner-uid", HUB_NAMESPACE, "node")
            context = RunContext(task, runner, RecordStore(runner, task, clock), clock, identity, Stop())
            return Place(world.hub, namespace, context, UndoContext(guardian, task, clock), task, spec)

        yield place


async def begun(place: Place, fault: Fault) -> Change:
    """The fault's only change, carried out."""
    clock = place.runner.clock
    assert await fault.precheck([]) is None
    (planned,) = await fault.plan([], clock.now())
    assert isinstance(planned, EngineStarted | ToolkitStarted)
    now = clock.now()
    for need in UNDO[type(planned)].needs(planned):
        assert await allowed(place.guardian.client, need), need
    return await fault.apply(fault.schedule(planned, now, now + timedelta(seconds=120)))


async def undone(context: UndoContext, change: Change, seconds: float = 90) -> Change:
    """The change as the guardian has seen it undone, or as it is when the time is over."""
    limit = context.clock.now() + timedelta(seconds=seconds)
    while change.state is not ChangeState.UNDONE and context.clock.now() < limit:
        change = (await UNDO[type(change)].undo(context, change)).change
        await context.clock.sleep(0.2)
    return change


async def held(place: Place, fault: Fault, seconds: float) -> None:
    assert isinstance(fault, Engine)
    await fault.hold(place.runner.stop, place.runner.clock.now() + timedelta(seconds=seconds))


async def test_chaos_mesh_injects_recovers_and_is_gone(make: Any, operators: OtherOperators) -> None:
    place: Place = await make(LOSS)
    fault = fault_of(place.runner, place.spec)
    change = await begun(place, fault)
    stored = place.cluster.get(paths.path(MESH[0], MESH[1], place.namespace, change.name))["spec"]
    assert stored["duration"] == "30s", "it ends by itself"
    assert stored["selector"] == {"labelSelectors": {"app": "shop"}, "namespaces": [place.namespace]}
    assert stored["mode"] == "one"
    eventually(lambda: place.suffers, "it is injected")
    eventually(lambda: _injected(place, change), "Chaos Mesh tells so")
    await held(place, fault, 1)
    look = await fault.look(change)
    assert not look.reverted
    assert "1 of 1 targets were injected" in look.effect
    assert fault.proven(change)
    assert isinstance(fault, Engine)
    assert fault.outcome().verdict is None
    again = await fault.apply(change)
    assert again.uid == change.uid, "asked twice, it is there once"

    after = await undone(place.guardian, change)
    assert after.state is ChangeState.UNDONE, after.evidence
    assert "is gone; before that, Chaos Mesh tells AllInjected False, AllRecovered True" in after.evidence
    assert not place.there(MESH, change.name)
    assert not place.suffers


def _injected(place: Place, change: Change) -> bool:
    body = place.cluster.get(paths.path(MESH[0], MESH[1], place.namespace, change.name))
    return {"type": "AllInjected", "status": "True"} in (body.get("status") or {}).get("conditions", [])


async def test_a_chaos_mesh_that_is_dead_is_waited_for(make: Any, operators: OtherOperators) -> None:
    place: Place = await make(LOSS)
    change = await begun(place, fault_of(place.runner, place.spec))
    eventually(lambda: _injected(place, change), "Chaos Mesh tells so")
    operators.stop()
    try:
        waiting = await undone(place.guardian, change, seconds=4)
        assert waiting.state is not ChangeState.UNDONE
        assert place.there(MESH, change.name), "what has not told that it is recovered is not deleted"
        assert "is asked to stop: Chaos Mesh tells AllInjected True" in waiting.evidence
    finally:
        operators.start()
    assert (await undone(place.guardian, waiting)).state is ChangeState.UNDONE
    assert not place.suffers


async def test_what_somebody_else_deletes_is_told(make: Any, operators: OtherOperators) -> None:
    place: Place = await make(LOSS)
    fault = fault_of(place.runner, place.spec)
    change = await begun(place, fault)
    eventually(lambda: _injected(place, change), "Chaos Mesh tells so")
    where = paths.path(MESH[0], MESH[1], place.namespace, change.name)
    place.cluster.delete(where)
    eventually(lambda: not place.there(MESH, change.name), "it is gone")
    assert (await fault.look(change)).reverted
    look = await UNDO[EngineStarted].undo(place.guardian, change)
    assert look.change.state is ChangeState.UNDONE
    assert "deleted by somebody else; that it was recovered before was not seen" in look.residues[0]


async def test_what_is_not_installed_is_said(make: Any, operators: OtherOperators) -> None:
    place: Place = await make({"chaosMesh": {"kind": "StressChaos", "spec": {"mode": "one"}}})
    refusal = await fault_of(place.runner, place.spec).precheck([])
    assert refusal is not None
    assert refusal.reason == "NotApplicable"
    assert "knows no StressChaos: ChaosMesh is not installed" in refusal.message


@pytest.mark.parametrize(
    ("body", "told", "verdict", "reason"),
    [
        (LITMUS, "completed, verdict Pass", None, ""),
        (LITMUS_THAT_TAKES_LONG, "stopped, verdict Stopped", Verdict.INCONCLUSIVE, "LitmusNotEnded"),
    ],
    ids=["ends", "is-stopped"],
)
async def test_litmus_ends_or_is_stopped(
    make: Any, operators: OtherOperators, body: Object, told: str, verdict: Verdict | None, reason: str
) -> None:
    place: Place = await make({**body})
    fault = fault_of(place.runner, place.spec)
    change = await begun(place, fault)
    await held(place, fault, 12)
    assert isinstance(fault, Engine)
    assert (fault.outcome().verdict, fault.outcome().reason) == (verdict, reason)
    assert fault.proven(change)
    after = await undone(place.guardian, change)
    assert after.state is ChangeState.UNDONE, after.evidence
    assert f"before that, Litmus tells {told}; 1 targets are reverted" in after.evidence
    assert not place.there(ENGINE, change.name)
    assert not place.there(RESULT, f"{change.name}-pod-network-loss")
    assert not place.suffers


@pytest.fixture
def kubeconfig_of(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets child processes be a service account."""

    def be(account: str) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": world.hub.access.server, "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": "u", "user": {"token": world.hub.token(HUB_NAMESPACE, account)}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / f"{account}.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        monkeypatch.setenv("KUBECONFIG", str(path))

    return be


@pytest.mark.parametrize("by", ["runner", "guardian"])
async def test_chaos_toolkit_scales_and_is_rolled_back(make: Any, kubeconfig_of: Any, by: str) -> None:
    experiment = {
        "title": "What if the shop has no pods?",
        "description": "Scaled to none, and back.",
        "configuration": {"where": {"type": "env", "key": "SHOP_NAMESPACE"}},
        "method": [{**scaled(0), "pauses": {"after": 300}}],
        "rollbacks": [scaled(2)],
    }
    fault_body: Object = {"chaosToolkit": {"experiment": experiment, "env": {}}}
    place: Place = await make(fault_body)
    place.spec.fault.chosen.env["SHOP_NAMESPACE"] = place.namespace  # type: ignore[attr-defined]
    labels = {"app": "shop"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "shop:1"}]}}
    place.cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "shop", "namespace": place.namespace},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
        }
    )
    fault = fault_of(place.runner, place.spec)
    assert isinstance(fault, ToolkitFault)
    kubeconfig_of("firedrill-chaos-chaostoolkit")
    change = await begun(place, fault)
    await place.runner.clock.sleep(0)
    limit = place.runner.clock.now() + timedelta(seconds=90)
    while place.replicas != 0:
        assert place.runner.clock.now() < limit
        await place.runner.clock.sleep(0.2)
    if by == "guardian":
        assert fault._running is not None
        fault._running.kill()
        kubeconfig_of("firedrill-guardian")
        change = await undone(place.guardian, change)
    else:
        own = UndoContext(place.runner.client, place.task, place.runner.clock)
        while change.state is not ChangeState.UNDONE:
            assert place.runner.clock.now() < limit + timedelta(seconds=60), change.evidence
            change = (await fault.undo(own, change)).change  # type: ignore[assignment, arg-type]
            await place.runner.clock.sleep(0.2)
        assert fault.outcome().reason == "Interrupted"
    assert "rollbacks succeeded: scale to 2" in change.evidence
    assert place.replicas == 2
