"""``make bench-many``: twenty experiments at once over three targets, and what is left of them.

Real API servers and their controllers, without nodes: a stand-in makes pods Ready, and an experiment's probe asks
whether its application has a ready pod, and all that it needs. Runners and guardians are those of real runs. Exit
code 1 where a run has no verdict, or leaves anything; nothing passes or fails by a time.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from stand_in_objects import PASSWORD
from stand_in_pods import Crowd
from stand_in_run import StandIn

from firedrill import lab
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.engines.chaos.views import parse_pod
from firedrill.lab.model import LabSpec
from firedrill.runner import chaos

OUT = Path(__file__).resolve().parent.parent / "out"
TARGETS = ("finance", "healthcare", "iot")
PODS = 3
Object = dict[str, Any]
FAULTS: Sequence[Object] = (
    {"podKill": {}},
    {"scale": {"replicas": 0}},
    {"imageBreak": {}},
    {"configDrift": {"name": "shop", "key": "mode", "value": "wrong"}},
    {"secretRotate": {"name": "shop", "key": "password"}},
    {"secretDelete": {"name": "shop"}},
    {"wrongSelector": {"service": "shop"}},
    {"serviceDelete": {"service": "shop"}},
    {"configMapDelete": {"name": "shop"}},
)
_KEPT = (
    ("v1", "configmaps"),
    ("v1", "secrets"),
    ("v1", "services"),
    ("v1", "resourcequotas"),
    ("apps/v1", "deployments"),
    ("apps/v1", "replicasets"),
)
_MOVES = {"resourceVersion", "managedFields", "generation", "uid", "creationTimestamp", "status"}


@dataclass
class Ended:
    """What came of one experiment; times in seconds."""

    target: str
    fault: str
    verdict: str
    reason: str
    took: float
    in_place: float
    undone: float
    left: list[str]


async def dump(client: KubeClient, namespace: str) -> Object:
    """All that could be left in a namespace, but for what counts on by itself."""
    found: Object = {}
    for api, plural in _KEPT:
        for item in (await client.get(paths.path(api, plural, namespace)))["items"]:
            found[f"{plural}/{item['metadata']['name']}"] = _stable(item)
    return found


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _stable(v) for k, v in value.items() if k not in _MOVES and "kubernetes.io/revision" not in k}
    return [_stable(item) for item in value] if isinstance(value, list) else value


class Application:
    """What a probe is told of a crowd: whether somebody could be served by it."""

    def __init__(self, client: KubeClient, crowd: Crowd) -> None:
        self._client = client
        self._crowd = crowd

    async def ask(self) -> tuple[bool, str]:
        """Whether its Service leads to a ready pod, and what it is configured by is right."""
        client, namespace = self._client, self._crowd.namespace
        try:
            service = await client.get(paths.path("v1", "services", namespace, "shop"))
            config = await client.get(paths.configmaps(namespace, "shop"))
            secret = await client.get(paths.path("v1", "secrets", namespace, "shop"))
        except NotFound as error:
            return False, error.message
        except ClusterError as error:
            return False, str(error)
        if config["data"].get("mode") != "ok" or base64.b64decode(secret["data"]["password"]).decode() != PASSWORD:
            return False, "wrong configuration"
        wanted = service["spec"]["selector"].items()
        pods = [pod for pod in await self._crowd.pods() if wanted <= pod["metadata"]["labels"].items()]
        return any(pod.ready and not pod.deleting for pod in map(parse_pod, pods)), "no ready pod"


async def one(client: KubeClient, target: str, fault: Object) -> Ended:
    """One experiment on an application of its own."""
    async with Crowd(client, PODS) as crowd:
        before = await dump(client, crowd.namespace)
        begun = time.monotonic()
        state = {"http": {"url": "http://shop/", "interval": "1s"}, "window": "5s"}
        fields = {"steadyState": state, "duration": "10s", "recoveryTimeout": "120s"}
        async with StandIn(client, crowd.namespace, fault, **fields) as run:
            result = await chaos.run(run.context, Application(client, crowd).ask)
            record = (await run.context.store.read())[0]
        took = time.monotonic() - begun
        left = await _left(client, crowd.namespace, before)
        assert result is not None  # no other pod claims it
        return Ended(
            target,
            next(iter(fault)),
            result.verdict.value,
            result.reason,
            took,
            _seconds(result.started_at, record.applied_at if record else None),
            _seconds(result.started_at, record.undone_at if record else None),
            left,
        )


async def _told(client: KubeClient, target: str, fault: Object) -> Ended:
    """One experiment, told of when it ends."""
    ended = await one(client, target, fault)
    print(
        f"{target}: {ended.fault} {ended.verdict} {ended.reason} after {ended.took:.0f} s", file=sys.stderr, flush=True
    )
    return ended


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() if start and end else 0.0


async def _left(client: KubeClient, namespace: str, before: Object) -> list[str]:
    for _ in range(60):
        after = await dump(client, namespace)
        found = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        if not found:
            return []
        await asyncio.sleep(1)
    return sorted(found)


async def run(count: int) -> list[Ended]:
    """All of them at once."""
    name = f"bench-{uuid.uuid4().hex[:6]}"
    spec = LabSpec(name=name, clusters=TARGETS, nodes=False, images=False)
    os.environ["KUBECONFIG"] = str((await asyncio.to_thread(lab.up, spec)).kubeconfig)
    try:
        async with AsyncExitStack() as stack:
            clients = {}
            for target in TARGETS:
                api = await api_from_environment(f"firedrill-{target}")
                clients[target] = KubeClient(api, target, requests_per_second=400, timeout=60)
                stack.push_async_callback(clients[target].close)
                await StandIn.prepare(clients[target])
            chosen = [(TARGETS[number % len(TARGETS)], FAULTS[number % len(FAULTS)]) for number in range(count)]
            return await asyncio.gather(*(_told(clients[target], target, fault) for target, fault in chosen))
    finally:
        await asyncio.to_thread(lab.down, name)


def main() -> int:
    """Entry point: 1 where a run has no verdict, or something is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=20)
    options = parser.parse_args()
    found = asyncio.run(run(options.experiments))
    print("| target | fault | verdict | reason | in place after, s | undone after, s | took, s | left |")
    print("|---|---|---|---|---|---|---|---|")
    for each in found:
        times = f"{each.in_place:.1f} | {each.undone:.1f} | {each.took:.1f}"
        told = ", ".join(each.left) or "nothing"
        print(f"| {each.target} | {each.fault} | {each.verdict} | {each.reason} | {times} | {told} |")
    OUT.mkdir(exist_ok=True)
    (OUT / "bench-many.json").write_text(json.dumps([asdict(each) for each in found]))
    return 1 if any(each.left or each.verdict in ("", "Error") for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
