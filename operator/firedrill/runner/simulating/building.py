"""Builds a simulation: applies what changed, takes away what is not wanted, and sees that it lives."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import httpx

from firedrill.api.errors import InvalidInput
from firedrill.api.simulation import SimulationSpec
from firedrill.api.verdict import Measurement, Verdict
from firedrill.clusters import paths
from firedrill.clusters.client import APPLY_PATCH
from firedrill.clusters.errors import Conflict
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry
from firedrill.runner.simulating import explaining, faking, nodes, place, watch_over
from firedrill.runner.simulating.applying import COLLECTIONS, Applied, Applier
from firedrill.runner.simulating.life import Life, see_life
from firedrill.runner.simulating.readiness import Readiness, readiness
from firedrill.simulation import world
from firedrill.simulation.plan import Plan
from firedrill.sources.prometheus import Prometheus

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 2.0
#: Time that is kept before the deadline for the result.
_CLOSING: Final = timedelta(seconds=10)
_NAMED: Final = 5


@dataclass(frozen=True)
class Built:
    """What came of building."""

    verdict: Verdict
    reason: str
    message: str
    measurements: Sequence[Measurement] = ()
    report: dict[str, Any] = field(default_factory=dict)


async def build(context: RunContext, spec: SimulationSpec, plan: Plan) -> Built:
    """Build until all is ready and answers, or time is up.

    Raises InvalidInput where the namespace or the images can not be had, ClusterError where the target refuses.
    """
    task, began = context.task, context.clock.now()
    namespace = spec.namespace_for(task.name)
    await nodes.check(context, plan.extended_resources)
    claimed = await place.claim(context, namespace)
    images = world.images_of(spec, _image(task.images, "simulator"), _image(task.images, "components"))
    made = world.build(spec, plan, task.name, namespace, images)
    wanted = [service.name for service in plan.graph.services if service.replicas]
    applier = Applier(context.client, context.clock, namespace)
    await faking.stand(context, claimed, plan.faked_nodes)
    await nodes.offer(context, plan.extended_resources)
    applied = await applier.apply([*made.base, *made.services])
    pruned = await applier.prune(made.objects)
    await _watch_over(context, namespace, wanted, plan)
    faulty = {flag.service for flag in spec.flags if flag.value}
    ready = await _until_ready(context, applier, _awaited([*made.base, *made.services], wanted, faulty))
    loaded = Applied()
    if not ready.waiting:
        loaded = await applier.apply(made.load)
        ready = await _until_ready(context, applier, _awaited(made.objects, wanted, faulty))
    seconds = (context.clock.now() - began).total_seconds()
    if ready.waiting:
        why = await explaining.why(context, namespace, ready.waiting)
        return _not_ready(ready, seconds, why)
    life = await _see_life(context, namespace, plan, healthy=not faulty)
    changed = Applied([*applied.created, *loaded.created], [*applied.rolled, *loaded.rolled], pruned)
    return _judged(ready, seconds, changed, life)


def _awaited(objects: Sequence[Object], services: Sequence[str], faulty: Collection[str]) -> list[str]:
    """Workloads that must be ready: not those that are made to fail."""
    left_out = set(services) if "*" in faulty else set(faulty)
    return [name for name in world.workload_names(objects) if name not in left_out]


def _image(images: Mapping[str, str], name: str) -> str:
    image = images.get(name, "")
    if not image:
        raise InvalidInput(f"spec.images: the operator names no image for {name}; set it in the spec or by the chart")
    return image


async def _watch_over(context: RunContext, namespace: str, wanted: Sequence[str], plan: Plan) -> None:
    task = context.task
    state = watch_over.state(task, namespace, wanted)

    async def create_state() -> None:
        try:
            await context.client.create(paths.configmaps(task.runner_namespace), state)
        except Conflict:
            log.info("the state is there already")

    await retry(context.clock, create_state, "creating the state")
    for made in watch_over.conductor(task, namespace, wanted, plan.slos):
        meta = made["metadata"]
        path = paths.path(*COLLECTIONS[made["kind"]], meta["namespace"], meta["name"])
        await retry(
            context.clock,
            lambda path=path, made=made: context.client.patch(path, made, content_type=APPLY_PATCH),  # type: ignore[misc]
            f"applying {made['kind']} {meta['name']}",
        )


async def _until_ready(context: RunContext, applier: Applier, names: Sequence[str]) -> Readiness:
    told = -1
    while True:
        workloads = [item for kind in ("Deployment", "StatefulSet") for item in await applier.listed(kind)]
        found = readiness(names, workloads)
        if found.ready != told:
            told = found.ready
            log.info("%d of %d workloads are ready", found.ready, found.wanted)
        if not found.waiting or context.clock.now() > context.task.deadline - _CLOSING:
            return found
        await context.clock.sleep(_POLL_SECONDS)


async def _see_life(context: RunContext, namespace: str, plan: Plan, *, healthy: bool) -> Life:
    async with httpx.AsyncClient(trust_env=False) as http:
        server = Prometheus(http, f"http://{world.PROMETHEUS}.{namespace}:9090")
        return await see_life(server, plan, context.clock, context.task.deadline - _CLOSING, healthy=healthy)


def _not_ready(ready: Readiness, seconds: float, why: str) -> Built:
    named = ", ".join(ready.waiting[:_NAMED]) + (" and others" if len(ready.waiting) > _NAMED else "")
    message = f"{ready.ready} of {ready.wanted} workloads are ready after {seconds:.0f} s; not {named}: {why}"
    return Built(Verdict.FAILED, "NotReady", message, [_ready_measurement(ready)], {"waiting": list(ready.waiting)})


def _ready_measurement(ready: Readiness) -> Measurement:
    return Measurement(
        name="workloads ready",
        value=ready.ready,
        unit="count",
        limit=f">= {ready.wanted}",
        passed=not ready.waiting,
        detail="Deployments and StatefulSets all of whose pods are ready",
    )


def _judged(ready: Readiness, seconds: float, changed: Applied, life: Life) -> Built:
    measurements = [
        _ready_measurement(ready),
        Measurement(name="time to ready", value=round(seconds, 1), unit="s", weight=0),
        *life.measurements,
    ]
    rolled = f"{len(changed.created)} made, {len(changed.rolled)} rolled, {changed.pruned} objects removed"
    message = f"{ready.ready} of {ready.wanted} workloads ready after {seconds:.0f} s ({rolled}); {life.message}"
    report = {"created": list(changed.created), "rolled": list(changed.rolled), "pruned": changed.pruned}
    if life.failed:
        return Built(Verdict.FAILED, life.failed, message, measurements, report)
    if life.undecided:
        return Built(Verdict.INCONCLUSIVE, life.undecided, message, measurements, report)
    return Built(Verdict.PASSED, "Standing", message, measurements, report)
