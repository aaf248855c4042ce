"""Faults that are objects: created, seen, deleted."""

from collections.abc import Sequence
from datetime import datetime

from firedrill.api.changes import Change, ChangeState, ObjectCreated
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.controlplane import PdbBlock
from firedrill.api.meta import LABEL_RUN
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.errors import ApiError, Conflict, Forbidden, Invalid, NotFound, Throttled
from firedrill.engines.chaos.faults import objects
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.faults.asked import collection_of, may_be_on_its_way, path_of, send, soon
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.retry import retry
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting


class CreateFault:
    """Creates one object that is the fault as long as it exists."""

    def __init__(self, client: Cluster, clock: Clock, task: Task, spec: ChaosExperimentSpec) -> None:
        self._client = client
        self._clock = clock
        self._task = task
        self._spec = spec
        self._fault = spec.fault.chosen
        self._pods: Sequence[PodView] = ()
        self._effects: set[str] = set()

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Ask the API server, without doing it, whether it would take the object."""
        (change,) = await self.plan(pods, self._clock.now())
        assert isinstance(change, ObjectCreated)
        try:
            await self._client.create(collection_of(change), change.body, dry_run=True)
        except Forbidden as error:
            return Refusal("NotPermitted", f"the runner may not create it, or admission refuses it: {error.message}")
        except Invalid as error:
            return Refusal("NotApplicable", error.message)
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """The object, whole: its name follows from the run."""
        del now
        self._pods = pods
        kind = objects.kind_of(self._fault)
        namespace = "" if objects.cluster_scoped(kind) else self._spec.target.namespace
        name = f"firedrill-{self._task.run_id}"
        metadata: Object = {"name": name, "labels": {LABEL_RUN: self._task.run_id}}
        if namespace:
            metadata["namespace"] = namespace
        body = {
            "apiVersion": kind.api,
            "kind": kind.kind,
            "metadata": metadata,
            **objects.made(self._fault, self._spec.target),
        }
        return [
            ObjectCreated(namespace=namespace, name=name, api=kind.api, plural=kind.plural, kind=kind.kind, body=body)
        ]

    def schedule(self, change: ObjectCreated, now: datetime, deadline: datetime) -> Change:
        """It must be asked for soon: until then, and a little longer, nobody can say that it was not."""
        return soon(change, now, deadline)

    async def apply(self, change: ObjectCreated) -> Change:
        """Create it. One of that name that carries the mark of the run is ours: an answer was lost."""
        label = f"{change.kind} {change.name}"

        async def create() -> Object:
            try:
                created = self._client.create(collection_of(change), change.body)
                return await send(change, self._clock, created, f"{label} could not be created in time")
            except Conflict:
                found = await self._client.get(path_of(change))
            except (Forbidden, Invalid, NotFound) as error:
                raise NotInjected(f"{label} was refused: {error.message}") from error
            if not _ours(found, change):
                raise NotInjected(f"{label} exists and is not of this run")
            return found

        asked_at = self._clock.now()
        made = await retry(self._clock, create, f"creating {label}")
        uid = made["metadata"]["uid"]
        update = {"state": ChangeState.APPLIED, "applied_at": asked_at, "uid": uid, "evidence": f"{label} was created"}
        return change.model_copy(update=update)

    async def look(self, change: ObjectCreated) -> Look:
        """Whether it is still there, and whether the API server acts by it."""
        try:
            found = await self._client.get(path_of(change))
        except NotFound:
            return Look(reverted=True)
        effect = await self._refused_eviction() if isinstance(self._fault, PdbBlock) else ""
        if effect:
            self._effects.add(change.name)
        return Look(reverted=not _ours(found, change) or "deletionTimestamp" in found["metadata"], effect=effect)

    async def _refused_eviction(self) -> str:
        """What the API server says to an eviction that is asked for by dry run."""
        for pod in self._pods:
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": pod.name, "namespace": pod.namespace},
                "deleteOptions": {"dryRun": ["All"]},
            }
            try:
                await self._client.create(paths.pods(pod.namespace, pod.name, "eviction"), body, dry_run=True)
            except NotFound:
                continue
            except ApiError as error:
                # With a budget of its own beside ours, the API server can not tell which counts, and says so with 500.
                if isinstance(error, Throttled) or "PodDisruptionBudget" in error.message:
                    return f"pod {pod.key} may not be evicted: {error.message}"
                raise
        return ""

    def ended_at(self, change: ObjectCreated, undone_at: datetime) -> datetime:
        """When it was seen gone."""
        del change
        return undone_at

    def proven(self, change: ObjectCreated) -> bool:
        """The API server was seen to act by it; that the object is there proves nothing."""
        return change.name in self._effects


async def undo_object_created(context: UndoContext, change: ObjectCreated) -> Seen:
    """Delete it, and see it gone."""
    label = f"{change.kind} {change.name}"
    try:
        found = await context.client.get(path_of(change))
    except NotFound:
        if may_be_on_its_way(change, context.clock):
            return waiting(change, f"a request to create {label} may still be on its way")
        return seen(change, f"{label} is gone")
    # Its name carries the run: whoever took our label from it has not made it theirs.
    if "deletionTimestamp" not in found["metadata"]:
        await context.client.delete(path_of(change), uid=found["metadata"]["uid"])
    return waiting(change, f"{label} is on its way out")


def object_created_needs(change: ObjectCreated) -> list[Access]:
    """What undoing takes."""
    group = change.api.rpartition("/")[0]
    return [Access(verb, change.plural, change.namespace, group) for verb in ("get", "delete")]


def _ours(found: Object, change: ObjectCreated) -> bool:
    labels = found["metadata"].get("labels") or {}
    return bool(labels.get(LABEL_RUN) == change.body["metadata"]["labels"][LABEL_RUN])
