"""Faults that are wrong values in objects: what is to be changed is planned from the object, and asked for once.

The values that are recorded are those that the API server would store, found by dry run: it fills in defaults, and
only what is compared with the very same value can be told from what somebody else has set.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from firedrill.api.changes import Change, ChangeState, Edit, ObjectEdited
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.about import Hits
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import Conflict, Forbidden, Invalid, NotFound
from firedrill.engines.chaos import editing
from firedrill.engines.chaos.faults.fields import BINDING, NODE, POD, WORKLOADS, Kind, named, subresource_of, wishes
from firedrill.engines.chaos.faults.template import NotApplicable, Setting, is_template_fault
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.faults.asked import path_of, ready_in_time, send, soon
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.faults.workloads import describe, ready_pods, top_owners
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

#: So many objects are looked at side by side.
_AT_ONCE: Final = 8
_MOVED: Final = "changed between the plan and the fault"


class EditFault:
    """Sets fields of objects to other values."""

    def __init__(self, client: Cluster, clock: Clock, task: Task, spec: ChaosExperimentSpec) -> None:
        self._client = client
        self._clock = clock
        self._task = task
        self._fault = spec.fault.chosen
        self._namespace = spec.target.namespace
        self._setting = Setting(task.run_id, task.image)
        self._effects: set[str] = set()
        self._refusals: dict[str, str] = {}

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Plan it, with the API server's word that it would take the change."""
        try:
            await self.plan(pods, self._clock.now())
        except Forbidden as error:
            return Refusal("NotPermitted", f"the runner may not change it, or admission refuses it: {error.message}")
        except (Invalid, NotApplicable, editing.NoSuchPlace) as error:
            return Refusal("NotApplicable", str(error))
        except NotInjected as error:
            return Refusal("NoTargets", str(error))
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change an object, with all that was there before."""
        del now
        slots, broken = asyncio.Semaphore(_AT_ONCE), asyncio.Event()

        async def one(kind: Kind, name: str) -> list[Change]:
            async with slots:
                if broken.is_set():
                    return []
                try:
                    return [await self._plan_one(kind, name)]
                except BaseException:
                    broken.set()  # the others need not be asked about
                    raise

        works = [one(kind, name) for kind, name in await self._objects(pods)]
        # Nothing goes on behind the back of who is told of the first failure.
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        planned: list[Change] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            planned += outcome
        return planned

    async def _objects(self, pods: Sequence[PodView]) -> list[tuple[Kind, str]]:
        given = named(self._fault)
        if given is not None:
            return [given]
        match self._fault.about.hits:
            case Hits.NODES:
                return [(NODE, node) for node in sorted({pod.node for pod in pods})]
            case Hits.PODS:
                return [(POD, pod.name) for pod in pods]
        found = []
        for _, owner in sorted(await top_owners(self._client, pods), key=str):
            if owner.kind not in WORKLOADS:
                raise NotInjected(
                    f"{owner.kind} {owner.name} is no Deployment, StatefulSet or DaemonSet, which this fault changes"
                )
            found.append((WORKLOADS[owner.kind], owner.name))
        return found

    async def _plan_one(self, kind: Kind, name: str) -> ObjectEdited:
        path = self._path(kind, name)
        label = f"{kind.kind} {name}"
        try:
            body = await self._client.get(path)
        except NotFound as error:
            raise NotInjected(f"{label} does not exist in namespace {self._namespace}") from error
        try:
            wanted = [editing.edit(body, wish) for wish in wishes(self._fault, body, self._setting)]
        except NotApplicable as error:
            raise NotApplicable(f"{label}: {error}") from error
        would = await self._client.patch(path, editing.applying(body, wanted), content_type=JSON_PATCH, dry_run=True)
        stored = [_as_stored(each, would) for each in wanted]
        workload = kind.kind in WORKLOADS
        return ObjectEdited(
            namespace="" if kind == NODE else self._namespace,
            name=name,
            uid=body["metadata"]["uid"],
            api=kind.api,
            plural=kind.plural,
            kind=kind.kind,
            edits=stored,
            subresource=subresource_of(self._fault),
            binds=_role_of(body) if kind == BINDING else "",
            ready_before=await ready_pods(self._client, self._namespace, body) if workload else None,
            marked=is_template_fault(self._fault),
        )

    def schedule(self, change: ObjectEdited, now: datetime, deadline: datetime) -> Change:
        """It must be asked for soon: until then, and a little longer, nobody can say that it was not."""
        return soon(change, now, deadline)

    async def apply(self, change: ObjectEdited) -> Change:
        """Set the values, unless somebody else changed these fields since the plan."""
        label = f"{change.kind} {change.name}"
        path = path_of(change)

        async def set_values() -> bool:
            late = f"{label} could not be changed in time: {self._refusals.get(change.uid, 'no answer')}"
            try:
                body = await ready_in_time(change, self._clock, self._client.get(path), late)
            except NotFound as error:
                raise NotInjected(f"{label} is gone") from error
            if body["metadata"]["uid"] != change.uid:
                raise NotInjected(f"{label} was replaced by another of that name")
            if all(editing.holds_ours(body, each) for each in change.edits):
                return True
            if not all(editing.holds_original(body, each) or editing.holds_ours(body, each) for each in change.edits):
                raise NotInjected(f"{label} {_MOVED}")
            try:
                patch = self._client.patch(path, editing.applying(body, change.edits), content_type=JSON_PATCH)
                await send(change, self._clock, patch, late)
            except Forbidden as error:
                raise NotInjected(f"{label} may not be changed: {error.message}") from error
            except (Conflict, Invalid) as error:
                # The test of the version fails with either; whether it was that, the next look shows.
                log.info("%s moved on: %s", label, error)
                self._refusals[change.uid] = error.message
                return False
            return True

        asked_at = self._clock.now()
        while not await retry(self._clock, set_values, f"changing {label}"):
            await self._clock.sleep(0.2)
        told = ", ".join(editing.told(each.path) for each in change.edits)
        return change.model_copy(
            update={"state": ChangeState.APPLIED, "applied_at": asked_at, "evidence": f"set {told}"[:1000]}
        )

    async def look(self, change: ObjectEdited) -> Look:
        """Whether our values are still there, and what has come of them in the pods."""
        try:
            body = await self._client.get(path_of(change))
        except NotFound:
            return Look(reverted=True)
        ours = body["metadata"]["uid"] == change.uid and all(editing.holds_ours(body, each) for each in change.edits)
        effect = await describe(self._client, change, body) if ours else ""
        if effect:
            self._effects.add(change.uid)
        return Look(reverted=not ours, effect=effect)

    def ended_at(self, change: ObjectEdited, undone_at: datetime) -> datetime:
        """When it was seen undone."""
        del change
        return undone_at

    def proven(self, change: ObjectEdited) -> bool:
        """Pods were seen that suffer by it; that our own value is there proves nothing."""
        return change.uid in self._effects

    def _path(self, kind: Kind, name: str) -> str:
        namespace = None if kind == NODE else self._namespace
        return paths.path(kind.api, kind.plural, namespace, name, subresource_of(self._fault) or None)


def _role_of(binding: Object) -> str:
    role = binding["roleRef"]
    return f"{role['kind'].lower()}s/{role['name']}"


def _as_stored(wanted: Edit, would: Object) -> Edit:
    """The change with the value that the API server would store."""
    if wanted.to_remove:
        return wanted
    value = editing.read(would, wanted.path)
    return wanted if value is editing.ABSENT else wanted.model_copy(update={"value": value})
