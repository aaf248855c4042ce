"""A surge of requests at a real API server, by the chart's rights, from a child process as in a pod.

The API server is told to give the runner's identity few seats and no queue: it refuses, as it would where many ask.
"""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from firedrill.api.changes import ChangeState, RequestsSent
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_secret
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.faults.surging import SurgeFault, undo_requests_sent
from firedrill.runner.faults.table import fault_of
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore
from support.encoded import encoded
from support.kube import Object
from support.world import HUB_NAMESPACE, World

pytestmark = pytest.mark.integration

ACCOUNT = "firedrill-chaos-controlplane"
LEVEL = "practised-on"


@pytest_asyncio.fixture
async def runner(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeClient]:
    """The runner's client; a child of this process has the same identity."""
    token, server = world.hub.token(HUB_NAMESPACE, ACCOUNT), world.hub.access.server
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    secret = {"server": server, "config": json.dumps({"bearerToken": token, "tlsClientConfig": {"insecure": True}})}
    made = KubeClient(await api_from_secret(encoded(secret)), "hub")
    yield made
    await made.close()


@pytest.fixture
def narrow(world: World) -> Iterator[None]:
    """Few seats for the runner's identity, and no queue."""
    api = "flowcontrol.apiserver.k8s.io/v1"
    limited = {
        "nominalConcurrencyShares": 1,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    subject = {"kind": "ServiceAccount", "serviceAccount": {"name": ACCOUNT, "namespace": HUB_NAMESPACE}}
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    objects: list[Object] = [
        {
            "apiVersion": api,
            "kind": "PriorityLevelConfiguration",
            "metadata": {"name": LEVEL},
            "spec": {"type": "Limited", "limited": limited},
        },
        {
            "apiVersion": api,
            "kind": "FlowSchema",
            "metadata": {"name": LEVEL},
            "spec": {
                "priorityLevelConfiguration": {"name": LEVEL},
                "matchingPrecedence": 100,
                "rules": [{"subjects": [subject], "resourceRules": [rule]}],
            },
        },
    ]
    for each in objects:
        world.hub.apply(each)
    yield
    for plural in ("flowschemas", "prioritylevelconfigurations"):
        world.hub.delete(paths.path(api, plural, name=LEVEL))


def context_of(world: World, runner: KubeClient, fault: Object) -> tuple[RunContext, ChaosExperimentSpec]:
    namespace = world.namespace()
    world.hub.namespace(namespace, {"firedrill.dev/experiments": "enabled"})
    raw = {
        "clusters": {"names": ["hub"]},
        "steadyState": {"http": {"url": "http://shop/"}},
        "target": {"namespace": namespace, "matchLabels": {"app": "shop"}},
        "duration": "20s",
        "fault": fault,
    }
    task = {
        "kind": "ChaosExperiment",
        "namespace": "sre",
        "name": "shop",
        "uid": "u",
        "runId": "abc1234567",
        "cluster": "hub",
        "runnerNamespace": HUB_NAMESPACE,
        "job": "cha-surge",
        "jobUid": "j",
        "startedAt": "2026-07-01T12:00:00Z",
        "deadline": "2036-07-01T12:10:00Z",
        "image": "firedrill/runner:1",
        "policy": {},
        "spec": raw,
    }
    clock = SystemClock()
    parsed = Task.model_validate(task)
    identity = Identity("pod", "pod-uid", HUB_NAMESPACE, "elsewhere")
    context = RunContext(parsed, runner, RecordStore(runner, parsed, clock), clock, identity, Stop())
    return context, ChaosExperimentSpec.model_validate(raw)


async def test_the_api_server_refuses_and_then_does_not(world: World, runner: KubeClient, narrow: None) -> None:
    # Of pods, those of other tests would make the answer too large for this rate.
    listed = {"resource": "DaemonSets", "scope": "Cluster", "rate": 500, "concurrency": 60}
    surge = {"apiSurge": {"acknowledgeClusterWide": True, **listed}}
    context, spec = context_of(world, runner, surge)
    fault = fault_of(context, spec)
    assert isinstance(fault, SurgeFault)
    assert await fault.precheck(()) is None
    now = context.clock.now()
    (planned,) = await fault.plan((), now)
    change = fault.schedule(planned, now, now + timedelta(minutes=5))  # type: ignore[arg-type]
    applied = await fault.apply(change)  # type: ignore[arg-type]
    assert isinstance(applied, RequestsSent)
    assert applied.state is ChangeState.APPLIED
    await context.clock.sleep(3.0)
    look = await fault.look(applied)
    assert not look.reverted
    assert "with 429" in look.effect
    assert fault.proven(applied)
    undone = (await fault.undo(context.for_undoing, applied)).change
    assert undone.state is ChangeState.UNDONE
    assert "answered 429" in undone.evidence
    _, refused = await fault._controls()
    assert refused == 0, "nobody else asks"


async def test_a_guardian_takes_it_for_ended_when_the_pod_is_gone(world: World, runner: KubeClient) -> None:
    context, spec = context_of(world, runner, {"apiSurge": {"acknowledgeClusterWide": True}})
    fault = fault_of(context, spec)
    (planned,) = await fault.plan((), context.clock.now())
    assert isinstance(planned, RequestsSent)
    found = (await undo_requests_sent(context.for_undoing, planned)).change
    assert (found.state, found.evidence) == (
        ChangeState.UNDONE,
        "the pod that sent the requests is gone, and its processes with it",
    )


async def test_what_the_chart_gives_no_right_to_is_refused(world: World, runner: KubeClient) -> None:
    context, spec = context_of(world, runner, {"apiSurge": {"acknowledgeClusterWide": True}})
    fault = fault_of(context, spec)
    assert isinstance(fault, SurgeFault)
    fault._path = paths.path("v1", "secrets")
    refusal = await fault.precheck(())
    assert refusal is not None
    assert refusal.reason == "NotPermitted"
