"""``make bench-faults-real``: how long faults that need pods that run take to be in place, and to be seen undone.

A hub and a target with nodes, the operator by its chart, and an application of so many small pods, new for each
repetition. ChaosExperiments are applied on the hub; the times are those at which the run's record was seen to tell.
Figures are kept, and with them the table of faults, as ``make bench-faults`` does. Exit code 1 where a fault was not
in place or not seen undone; nothing passes or fails by a time.
"""

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from bench_faults import conditions, ended, options_of, tell
from demo import HUB, NAMESPACE, Demo
from fault_cases import REAL
from fault_figures import Figure, spread
from fault_times import Sight, Times, times_of
from small_app import objects_of

from firedrill import lab
from firedrill.api.meta import LABEL_ROLE, LABEL_UID, RECORD_KEY
from firedrill.api.record_text import from_text
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import Conflict, NotFound

Object = dict[str, Any]
TARGET: Final = "finance"
FAMILIES: Final = ("workload", "network", "stress")
_RUNNERS: Final = "firedrill"
_READY_WITHIN: Final = 600.0
_RUN_WITHIN: Final = 1800.0
#: After a run is complete, its record has been seen settled at once.
_SETTLED_WITHIN: Final = 10.0


@dataclass(frozen=True)
class Clusters:
    """Where experiments are applied, and where they run."""

    hub: KubeClient
    target: KubeClient


@dataclass(frozen=True)
class Run:
    """What came of one experiment."""

    times: Times
    record_kib: float
    load: float


@asynccontextmanager
async def application(client: KubeClient, pods: int) -> AsyncIterator[str]:
    """So many pods that run, in a namespace of their own; its name. Raises RuntimeError where they do not get ready."""
    namespace = f"bench-{pods}-{uuid.uuid4().hex[:5]}"
    try:
        for body in objects_of(namespace, pods):
            where = None if body["kind"] == "Namespace" else namespace
            await client.create(paths.path(body["apiVersion"], f"{body['kind'].lower()}s", where), body)
        await _until(_READY_WITHIN, f"{pods} pods in {namespace} ready", lambda: _ready(client, namespace, pods))
        yield namespace
    finally:
        await client.delete(paths.namespaces(namespace))
        await _until(_READY_WITHIN, f"namespace {namespace} gone", lambda: _gone(client, namespace))


async def _until(seconds: float, what: str, look: Any) -> None:
    end = time.monotonic() + seconds
    while not await look():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.5)


async def _ready(client: KubeClient, namespace: str, pods: int) -> bool:
    body = await client.get(paths.deployments(namespace, "shop"))
    return bool((body.get("status") or {}).get("readyReplicas", 0) == pods)


async def _gone(client: KubeClient, namespace: str) -> bool:
    try:
        await client.get(paths.namespaces(namespace))
    except NotFound:
        return True
    return False


async def follow(client: KubeClient, uid: str, sights: list[Sight]) -> None:
    """Add the record of a resource's run as it is seen to change, until it is settled."""
    where = paths.configmaps(_RUNNERS)
    query = {"labelSelector": f"{LABEL_UID}={uid},{LABEL_ROLE}=record"}
    listed = await client.get(where, query)
    since = {**query, "resourceVersion": listed["metadata"]["resourceVersion"]}
    for body in listed.get("items") or ():
        _saw(body, sights)
    async with client.watch(where, since, silence=_RUN_WITHIN) as events:
        async for event in events:
            if event["type"] in ("ADDED", "MODIFIED"):
                _saw(event["object"], sights)
            if sights and sights[-1].record.state.settled:
                return


def _saw(body: Object, sights: list[Sight]) -> None:
    at, text = time.monotonic(), (body.get("data") or {}).get(RECORD_KEY)
    if text:
        sights.append(Sight(at, from_text(text), len(text)))


async def once(clusters: Clusters, fault: str, pods: int) -> Run:
    """One experiment on an application of its own."""
    async with application(clusters.target, pods) as namespace:
        where = paths.firedrill("chaosexperiments", NAMESPACE)
        body = await clusters.hub.create(where, experiment(namespace, fault, pods))
        name, sights = body["metadata"]["name"], list[Sight]()
        following = asyncio.create_task(follow(clusters.target, body["metadata"]["uid"], sights))
        try:
            status = await _complete(clusters.hub, name)
            await asyncio.wait([following], timeout=_SETTLED_WITHIN)
        finally:
            following.cancel()
            failed = (await asyncio.gather(following, return_exceptions=True))[0]
            await clusters.hub.delete(paths.firedrill("chaosexperiments", NAMESPACE, name))
        times = times_of(sights)
        if times.problem:
            why = f"{times.problem}; {status.get('message', '')} {failed or ''}".strip()
            times = Times(times.changes, times.inject, times.undo, why)
        size = max((sight.size for sight in sights), default=0)
        return Run(times, size / 1024, os.getloadavg()[0])


async def _complete(hub: KubeClient, name: str) -> Object:
    """The status of an experiment that has ended."""
    status: Object = {}

    async def look() -> bool:
        nonlocal status
        status = (await hub.get(paths.firedrill("chaosexperiments", NAMESPACE, name))).get("status") or {}
        return any(c["type"] == "Complete" and c["status"] == "True" for c in status.get("conditions") or ())

    await _until(_RUN_WITHIN, f"experiment {name} complete", look)
    return status


def experiment(namespace: str, fault: str, pods: int) -> Object:
    """A ChaosExperiment on all pods of an application; with many, the fault is on until the last has it."""
    return {
        "apiVersion": "firedrill.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": f"bench-{fault.lower()}-{uuid.uuid4().hex[:6]}", "namespace": NAMESPACE},
        "spec": {
            "clusters": {"names": [TARGET]},
            "timeout": "25m",
            "duration": f"{20 + pods}s",
            "recoveryTimeout": "5m",
            "steadyState": {"http": {"url": f"http://shop.{namespace}:8080/", "timeout": "2s"}, "window": "5s"},
            "target": {"namespace": namespace, "matchLabels": {"app": "shop"}, "mode": "All"},
            "fault": {fault: REAL[fault]},
        },
    }


def figure(fault: str, pods: int, runs: Sequence[Run]) -> Figure:
    """All repetitions of a fault as one figure."""
    return Figure(
        fault=fault,
        pods=pods,
        real=True,
        repetitions=len(runs),
        changes=max(run.times.changes for run in runs),
        inject=spread([at for run in runs for at in run.times.inject]),
        undo=spread([at for run in runs for at in run.times.undo]),
        record_kib=round(max(run.record_kib for run in runs), 1),
        problem="; ".join(dict.fromkeys(run.times.problem for run in runs if run.times.problem)),
        conditions=conditions([run.load for run in runs]),
    )


def bring_up(name: str) -> None:
    """A hub, a target with nodes, and the operator with the right to all of these faults."""
    demo = Demo(name)
    demo.bring_up_lab(os.environ.get("FIREDRILL_PROVIDER", "auto"), ("hub", TARGET))
    demo.install({TARGET: [f"target.faultFamilies={{{','.join(FAMILIES)}}}"]}, {TARGET: FAMILIES})
    policy = '{"spec": {"policy": {"maxAffectedPercent": 100}}}'
    demo.kubectl(HUB, "patch", "targetcluster", TARGET, "--type=merge", "-p", policy, capture=True)


@asynccontextmanager
async def clients() -> AsyncIterator[Clusters]:
    """Clients of both clusters, and the namespace of experiments on the hub."""
    made = [KubeClient(await api_from_environment(name), name) for name in (HUB, f"firedrill-{TARGET}")]
    try:
        try:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            await made[0].create(paths.namespaces(), namespace)
        except Conflict as error:
            if not error.already_exists:
                raise
        yield Clusters(*made)
    finally:
        for client in made:
            await client.close()


async def measure(counts: Sequence[int], faults: Sequence[str], times: int, write: bool) -> list[Figure]:
    """All of it, one after the other; what is found is kept as it comes where it is to be."""
    found = []
    async with clients() as clusters:
        for count in counts:
            for fault in faults:
                found.append(figure(fault, count, [await once(clusters, fault, count) for _ in range(times)]))
                tell(found[-1], write)
    return found


def main() -> int:
    """Entry point: 1 where a fault was not in place, or not seen undone."""
    parser = argparse.ArgumentParser(description=f"{__doc__}\nA node takes 250 pods.")
    parser.add_argument("--lab", default="bench", help="name of the lab; one that is up already is used, and stays up")
    options = options_of(parser, REAL, ",".join(REAL))
    stays = lab.status(options.lab) is not None
    try:
        bring_up(options.lab)
        found = asyncio.run(measure(options.counts, options.faults, options.times, options.write))
    finally:
        if not stays:
            lab.down(options.lab)
    return ended(found, options.write)


if __name__ == "__main__":
    sys.exit(main())
