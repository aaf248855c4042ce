"""A node that is cut off, at a real API server with the chart's rights, pod security and admission policy.

There are no nodes: a node is said to be ready or not, and what a kubelet would tell of pods is told by the test. That
nft drops what it should is tried in real network namespaces (tests/unit/runner/test_node_network.py).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from firedrill.api.changes import Change, ChangeState, NodeCutOff
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.record import Control
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.access import allowed
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import Forbidden
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.faults import nodepods
from firedrill.runner.faults.nodecut import NodeCutFault
from firedrill.runner.faults.table import UNDO, fault_of
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore
from firedrill.runner.undoing import UndoContext
from support.identities import Clients, clients_of
from support.kube import Object
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

NODE = "cut-off"
POD = PodView("shop", "shop-1", "u", node=NODE)


@pytest_asyncio.fixture
async def identity(world: World) -> AsyncIterator[Clients]:
    async with clients_of(world) as made:
        yield made


@pytest.fixture
def node(world: World) -> Iterator[None]:
    world.hub.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    say(world, heard=True)
    yield
    world.hub.delete(paths.path("v1", "nodes", name=NODE))


@pytest.fixture
def privileged(world: World) -> Iterator[None]:
    """Pod security as this fault wants it."""
    where, label = paths.namespaces(HUB_NAMESPACE), "pod-security.kubernetes.io/enforce"
    before = world.hub.get(where)["metadata"]["labels"].get(label)
    world.hub.merge(where, {"metadata": {"labels": {label: "privileged"}}})
    yield
    world.hub.merge(where, {"metadata": {"labels": {label: before}}})


def say(world: World, *, heard: bool) -> None:
    condition = {"type": "Ready", "status": "True" if heard else "Unknown", "reason": "Said"}
    path = paths.path("v1", "nodes", name=NODE, subresource="status")
    world.hub.merge(path, {"status": {"conditions": [condition]}})


def tell(world: World, name: str, state: Object, phase: str = "Running") -> None:
    """What a kubelet would say of a pod."""
    status = {"name": "netfault", "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": state}
    path = paths.pods(HUB_NAMESPACE, name, "status")
    world.hub.merge(path, {"status": {"phase": phase, "containerStatuses": [status]}})


def experiment(runner: KubeClient) -> tuple[RunContext, NodeCutFault]:
    raw = {
        "clusters": {"names": ["hub"]},
        "timeout": "10m",
        "duration": "90s",
        "steadyState": {"http": {"url": "http://shop/"}},
        "target": {"namespace": "shop", "matchLabels": {"app": "shop"}},
        "fault": {"nodeNotReady": {"acknowledgeWholeNode": True}},
    }
    task = {
        "kind": "ChaosExperiment",
        "namespace": "sre",
        "name": "shop",
        "uid": "u",
        "runId": "abc1234567",
        "cluster": "hub",
        "runnerNamespace": HUB_NAMESPACE,
        "job": "cha-node",
        "jobUid": "j",
        "startedAt": "2026-07-01T12:00:00Z",
        "deadline": "2036-07-01T12:10:00Z",
        "image": "docker.io/firedrill/runner:dev",
        "policy": {},
        "spec": raw,
    }
    clock = SystemClock()
    parsed = Task.model_validate(task)

    class Store(RecordStore):
        async def read(self) -> Any:
            return None, Control()

    context = RunContext(
        parsed, runner, Store(runner, parsed, clock), clock, Identity("pod", "pod-uid", HUB_NAMESPACE, "other"), Stop()
    )
    fault = fault_of(context, ChaosExperimentSpec.model_validate(raw))
    assert isinstance(fault, NodeCutFault)
    return context, fault


def container(pod: Object) -> Object:
    found: Object = pod["spec"]["containers"][0]
    return found


async def test_a_restricted_namespace_refuses_before_anything_is_written(
    world: World, node: None, identity: Clients
) -> None:
    _, fault = experiment(await identity("firedrill-chaos-node"))
    refusal = await fault.precheck([POD])
    assert refusal is not None
    assert refusal.reason == "NotPermitted"
    assert "violates PodSecurity" in refusal.message


async def test_it_is_admitted_seen_and_undone_by_the_guardian(
    world: World, node: None, privileged: None, identity: Clients
) -> None:
    runner, guardian = await identity("firedrill-chaos-node"), await identity("firedrill-guardian")
    context, fault = experiment(runner)
    assert await fault.precheck([POD]) is None
    now = context.clock.now()
    (planned,) = await fault.plan([POD], now)
    assert isinstance(planned, NodeCutOff)
    assert planned.addresses == sorted(set(planned.addresses))
    change = fault.schedule(planned, now, now + timedelta(minutes=8))
    assert isinstance(change, NodeCutOff)
    for need in UNDO[NodeCutOff].needs(change):
        assert await allowed(guardian, need), need
    applying = asyncio.ensure_future(fault.apply(change))
    async with asyncio.timeout(30):
        while await nodepods.read(runner, change, change.inject_pod) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    tell(world, change.inject_pod, {"running": {"startedAt": "2026-07-01T12:00:00Z"}})
    applied = await applying
    assert isinstance(applied, NodeCutOff)
    say(world, heard=False)
    look = await fault.look(applied)
    assert "Ready is Unknown" in look.effect
    assert fault.proven(applied)

    undoing = UndoContext(guardian, context.task, context.clock)
    waited = (await UNDO[NodeCutOff].undo(undoing, applied)).change
    assert "the kernel of node cut-off ends it at" in waited.evidence
    over: Change = applied.model_copy(update={"expires_at": context.clock.now()})
    over = (await UNDO[NodeCutOff].undo(undoing, over)).change
    assert "is not back yet: Ready is Unknown" in over.evidence
    say(world, heard=True)
    over = (await UNDO[NodeCutOff].undo(undoing, over)).change
    assert "was created to remove the empty table" in over.evidence
    proof = json.dumps({"action": "undo", "remaining": [], "dropped": 7})
    ended = {"exitCode": 0, "message": proof, "startedAt": None, "finishedAt": None}
    tell(world, change.undo_pod, {"terminated": ended}, "Succeeded")
    async with asyncio.timeout(30):
        while over.state is not ChangeState.UNDONE:
            over = (await UNDO[NodeCutOff].undo(undoing, over)).change
            await asyncio.sleep(0.2)
    assert (
        over.evidence
        == "node cut-off is Ready again; table firedrill_abc1234567 is gone after it had dropped 7 packets"
    )
    for name in (change.inject_pod, change.undo_pod):
        assert world.hub.find(paths.pods(HUB_NAMESPACE, name)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod["metadata"].update(name="anything"),
        lambda pod: pod["spec"].update(serviceAccountName="firedrill-guardian"),
        lambda pod: pod["spec"].update(automountServiceAccountToken=True),
        lambda pod: pod["spec"].update(hostPID=True),
        lambda pod: pod["spec"].update(volumes=[{"name": "root", "hostPath": {"path": "/"}}]),
        lambda pod: pod["spec"]["containers"][0].update(command=["sh", "-c", "id"]),
        lambda pod: pod["spec"]["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
        lambda pod: pod["spec"]["containers"].append({"name": "more", "image": "i"}),
        lambda pod: pod["spec"].update(imagePullSecrets=[{"name": "others"}]),
        lambda pod: container(pod)["env"].append({"name": "PATH", "value": "/evil"}),
        lambda pod: container(pod)["env"].append({"name": "LD_PRELOAD", "value": "/evil"}),
        lambda pod: container(pod).update(
            env=[
                {
                    "name": "PYTHONDONTWRITEBYTECODE",
                    "valueFrom": {"secretKeyRef": {"name": "firedrill-vault-secret", "key": "k"}},
                }
            ]
        ),
        lambda pod: container(pod).update(lifecycle={"postStart": {"exec": {"command": ["id"]}}}),
        lambda pod: container(pod).update(livenessProbe={"exec": {"command": ["id"]}}),
        lambda pod: container(pod).update(readinessProbe={"exec": {"command": ["id"]}}),
        lambda pod: container(pod).update(startupProbe={"exec": {"command": ["id"]}}),
        lambda pod: container(pod).update(image="somebody/elses:1"),
    ],
)
async def test_no_other_pod_is_admitted(
    world: World, node: None, privileged: None, identity: Clients, change: Callable[[Object], None]
) -> None:
    runner = await identity("firedrill-chaos-node")
    context, fault = experiment(runner)
    (planned,) = await fault.plan([POD], context.clock.now())
    pod = fault._injecting(planned)  # type: ignore[arg-type]
    await runner.create(paths.pods(HUB_NAMESPACE), pod, dry_run=True)
    change(pod)
    with pytest.raises(Forbidden):
        await runner.create(paths.pods(HUB_NAMESPACE), pod, dry_run=True)
