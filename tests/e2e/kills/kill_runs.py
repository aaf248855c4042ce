"""Runs in real pods whose processes are killed at a chosen write, or cut off from their API server.

Runner and guardian are the pods that the operator would make, with the chart's identities; only the way to their API
server leads through a proxy of the test, one for each. It kills the process, without a warning, before the chosen
write reaches the API server or once it was done and before the process hears of it.
"""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from demo import Demo
from e2e_residues import residues
from fault_app import manifest
from fault_runs import FAMILIES, TARGET

from firedrill.api.record import Record
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.core.naming import guardian_name
from support.background import Background
from support.faultproxy import Call, FaultProxy
from support.hand_run import Run, start
from support.kube import Cluster
from support.pod_process import sigkill

Object = dict[str, Any]
IMAGE = "docker.io/firedrill/runner:dev"
RUNNER_NAMESPACE = "firedrill"
RUNNER, GUARDIAN = "runner", "guardian"
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_FOLDER = "/proxied"


@dataclass(frozen=True)
class Mechanism:
    """One way of undoing, by a fault that is undone so."""

    name: str
    fault: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Kill:
    """SIGKILL of one process around one of its writes; ``number`` counts from 1."""

    process: str
    number: int
    after: bool

    def __str__(self) -> str:
        return f"{self.process} {'after' if self.after else 'before'} write {self.number}"


@dataclass
class Outcome:
    """What a run came to."""

    record: Record | None
    writes: Mapping[str, Sequence[str]]
    struck: Sequence[Kill]
    left: Object
    baseline: Object = field(default_factory=dict)


class Ground:
    """An application in a namespace of its own, in which one run at a time is carried out."""

    def __init__(self, lab: Demo, client: KubeClient, cluster: Cluster) -> None:
        self.lab = lab
        self.client = client
        self.cluster = cluster
        self.namespace = f"kills-{secrets.token_hex(3)}"
        self.baseline: Object = {}

    async def set_up(self) -> None:
        """The application, ready."""
        await asyncio.to_thread(
            self.lab.kubectl, TARGET, "apply", "-f", "-", stdin=manifest(self.namespace, 2), capture=True
        )
        wait = ("-n", self.namespace, "wait", "--for=create", "configmap/kube-root-ca.crt", "--timeout=60s")
        await asyncio.to_thread(self.lab.kubectl, TARGET, *wait, capture=True)
        self.baseline = await self.look()

    async def tear_down(self) -> None:
        """The namespace goes."""
        await self.client.delete(paths.namespaces(self.namespace))

    async def play(self, mechanism: Mechanism, kills: Sequence[Kill] = ()) -> Outcome:
        """One run, to its end; then an independent look."""
        async with self.begun(mechanism, kills) as scene:
            await scene.run.job_ended(guardian_name(scene.run.job), 240)
            record = await scene.run.record()
            writes = {name: [write.label for write in proxy.writes] for name, proxy in scene.proxies.items()}
            return Outcome(record, writes, tuple(scene.struck), await self.look(), self.baseline)

    @asynccontextmanager
    async def begun(
        self, mechanism: Mechanism, kills: Sequence[Kill] = (), duration: str = "3s"
    ) -> "AsyncIterator[Scene]":
        """A run whose Jobs exist, behind proxies of its own."""
        scene = Scene(self, asyncio.get_running_loop())
        try:
            for kill in kills:
                scene.arm(kill)
            await scene.start(self._spec(mechanism, duration))
            yield scene
        finally:
            await asyncio.to_thread(scene.close)

    async def look(self) -> Object:
        """What is there now, without what changes by itself."""
        return await asyncio.to_thread(residues, self.lab, "finance", self.namespace)

    def _spec(self, mechanism: Mechanism, duration: str) -> Object:
        return {
            "clusters": {"names": ["finance"]},
            "timeout": "4m",
            "duration": duration,
            "recoveryTimeout": "60s",
            "steadyState": {
                "http": {"url": f"http://shop.{self.namespace}:8080/", "timeout": "2s"},
                "minSuccessRate": 0.5,
                "window": "2s",
            },
            "target": {"namespace": self.namespace, "matchLabels": {"app": "shop"}},
            "fault": dict(mechanism.fault),
        }


class Scene:
    """A run and the proxies that its two processes talk through."""

    def __init__(self, ground: Ground, loop: asyncio.AbstractEventLoop) -> None:
        self._ground = ground
        self._loop = loop
        # A thread of its own: a kill blocks it, and nothing of another run.
        self._background = Background()
        host = _own_address(ground.cluster.access.server)
        self.proxies = {name: FaultProxy(self._background, ground.cluster, name, host) for name in (RUNNER, GUARDIAN)}
        self.struck: list[Kill] = []
        self.run: Run

    def arm(self, kill: Kill) -> None:
        """Let a process be killed at a write."""
        hook = Call(partial(self._strike, kill), before=not kill.after)
        self.proxies[kill.process].add(hook, on=lambda request: request.mutating, skip=kill.number - 1)

    async def start(self, spec: Object) -> None:
        """Create what the operator would."""
        self.run = await start(
            self._ground.client, RUNNER_NAMESPACE, spec, families=FAMILIES, image=IMAGE, alter=self._alter
        )

    def close(self) -> None:
        """Proxies end; what still talks to them is on its own."""
        for proxy in self.proxies.values():
            proxy.close()
        self._background.close()

    def _alter(self, job: Object) -> Object:
        template = job["spec"]["template"]
        container = template["spec"]["containers"][0]
        way = json.dumps(_kubeconfig(self.proxies[container["name"]].url))
        template["metadata"]["annotations"]["way"] = way
        # The way to the API server is read from a file where the environment names none.
        container["env"] += [
            {"name": "KUBERNETES_SERVICE_HOST", "value": ""},
            {"name": "KUBECONFIG", "value": f"{_FOLDER}/kubeconfig"},
        ]
        container["volumeMounts"].append({"name": "way", "mountPath": _FOLDER, "readOnly": True})
        item = {"path": "kubeconfig", "fieldRef": {"fieldPath": "metadata.annotations['way']"}}
        template["spec"]["volumes"].append({"name": "way", "downwardAPI": {"items": [item]}})
        return job

    def _strike(self, kill: Kill) -> None:
        job = self.run.job if kill.process == RUNNER else guardian_name(self.run.job)
        pod = asyncio.run_coroutine_threadsafe(self.run.pod(job), self._loop).result(30)
        sigkill(pod["metadata"]["uid"])
        self.struck.append(kill)


def _kubeconfig(server: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"tokenFile": _TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    }


def _own_address(server: str) -> str:
    """This machine's address on the network of an API server: pods of its cluster reach it there."""
    parts = urlsplit(server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname or "", parts.port or 443))
        address: str = probe.getsockname()[0]
        return address
