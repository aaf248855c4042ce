"""The record of a run in its ConfigMap: claimed once, then changed by compare-and-swap.

Runner and guardian may both write, at any time, and either may die between any two lines. So every change is a
pure function of the record as it was just read, written under the resourceVersion of that read, and repeated on
Conflict. An unanswered write may have taken effect; it is repeated too, which is harmless because such a
function must give the same result when it is applied to its own result.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from firedrill.api import meta
from firedrill.api.record import Control, Record
from firedrill.api.record_text import from_text, to_text
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.errors import Conflict, Forbidden, NotFound
from firedrill.core.naming import record_name
from firedrill.runner.ports import Clock, Cluster, Object, SystemClock
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

Mutation = Callable[[Record], Record]
Decision = Callable[[Record, Control], Record]


class RecordLost(Exception):
    """There is no record of this run, or it can not be read: nothing may be changed on the strength of it."""


class Aborted(Exception):
    """The operator has asked to stop; the text is its reason."""


@dataclass(frozen=True)
class Claimed:
    """The record is ours: this pod, and no other, may carry out the changes."""

    record: Record


@dataclass(frozen=True)
class Refused:
    """The record is not ours. ``claim`` is the UID of the pod that has it; empty when the run was cancelled."""

    claim: str
    abort: str


class RecordStore:
    """Reads and writes the record of one run.

    Methods raise :class:`RecordLost`, or a ClusterError once all tries have failed.
    """

    def __init__(self, client: Cluster, task: Task, clock: Clock | None = None) -> None:
        self._client = client
        self._task = task
        self._clock = clock or SystemClock()
        self._name = record_name(task.job)
        self._path = paths.configmaps(task.runner_namespace, self._name)
        self._claiming = False
        self._settled = False
        # Writers within one process take turns, so that they do not meet each other's Conflicts.
        self._turn = asyncio.Lock()

    async def claim(self, record: Record) -> Claimed | Refused:
        """Create the record; whoever creates it first has decided.

        ``record.claim`` is the UID of the own pod. A record that exists with the same claim is ours (an earlier
        try whose answer was lost), unless the operator has asked to stop meanwhile.
        """
        # From the first try on: one that is not answered may have taken effect.
        self._claiming = True
        answer = await retry(self._clock, lambda: self._claim_once(record), "claiming the record")
        self._claiming = isinstance(answer, Claimed)
        return answer

    @property
    def nothing_left(self) -> bool:
        """Whether this process has never claimed the run, or has seen its record settled."""
        return self._settled or not self._claiming

    async def restore(self, record: Record) -> None:
        """Write a record again that somebody deleted, also where the operator fences the run by now."""
        await retry(self._clock, lambda: self._restore_once(record), "writing the record again")

    async def read(self) -> tuple[Record | None, Control]:
        """The record, or None where there is none or the operator cancelled the run before it was claimed."""
        try:
            body = await self._client.get(self._path)
        except NotFound:
            return None, Control()
        return _parse(body)

    async def update(self, mutate: Mutation) -> Record:
        """Write ``mutate(record)``; called again with a newer record when somebody else has written."""
        return await self.decide(lambda record, _control: mutate(record))

    async def update_unless_aborted(self, mutate: Mutation) -> Record:
        """As :meth:`update`, but raises :class:`Aborted` where the operator has asked to stop.

        Record and control share one resourceVersion, so an abort that comes in between is never missed.
        """

        def decide(record: Record, control: Control) -> Record:
            if control.abort:
                raise Aborted(control.abort)
            return mutate(record)

        return await self.decide(decide)

    async def decide(self, decision: Decision) -> Record:
        """Write ``decision(record, control)``; it may raise to write nothing."""
        async with self._turn:
            return await retry(self._clock, lambda: self._write_once(decision, owned=False), "writing the record")

    async def finish(self, mutate: Mutation) -> Record:
        """Write the last state, and in the same write hand the record to the runner's Job.

        From then on the record is garbage-collected with its Job; before, it must outlive it: where ``mutate``
        does not settle it, it is written without an owner. So it is where somebody has deleted the Job, or it would
        be gone before the operator has read it. A record that is settled already keeps its state, whoever settled it.
        """

        def decide(record: Record, _control: Control) -> Record:
            return record if record.state.settled else mutate(record)

        async with self._turn:
            return await retry(self._clock, lambda: self._write_once(decide, owned=True), "settling the record")

    async def _claim_once(self, record: Record) -> Claimed | Refused:
        body = self._body(record)
        try:
            await self._client.create(paths.configmaps(self._task.runner_namespace), body)
        except Conflict as error:
            if not error.already_exists:
                raise
            existing, control = await self.read()
            if existing is None or control.abort or existing.claim != record.claim:
                return Refused(existing.claim if existing else "", control.abort)
            return Claimed(existing)
        return Claimed(record)

    async def _restore_once(self, record: Record) -> None:
        if not isinstance(await self._claim_once(record), Refused):
            return
        body = await self._client.get(self._path)
        if (body.get("data") or {}).get(meta.RECORD_KEY):
            return
        version = body["metadata"]["resourceVersion"]
        patch: Object = {"metadata": {"resourceVersion": version}, "data": {meta.RECORD_KEY: to_text(record)}}
        await self._client.patch(self._path, patch)

    async def _write_once(self, decision: Decision, *, owned: bool) -> Record:
        try:
            body = await self._client.get(self._path)
        except NotFound as error:
            raise RecordLost(f"the record {self._name} is gone") from error
        record, control = _parse(body)
        if record is None:
            raise RecordLost(f"the record {self._name} is empty: the run was cancelled before it was claimed")
        wanted = decision(record, control)
        self._settled = record.state.settled
        metadata = body["metadata"]
        owners = [owner.get("uid") for owner in metadata.get("ownerReferences") or ()]
        handed_over = self._task.job_uid in owners
        hand_over = owned and wanted.state.settled and not handed_over and await self._job_stays()
        if wanted == record and not hand_over:
            return record
        patch: Object = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "data": {meta.RECORD_KEY: to_text(wanted)},
        }
        if hand_over:
            patch["metadata"]["ownerReferences"] = [owner_reference(self._task)]
        await self._client.patch(self._path, patch)
        self._settled = wanted.state.settled
        return wanted

    async def _job_stays(self) -> bool:
        """Whether the runner's Job is there and nobody is deleting it; a sweeper's task names none.

        Where that may not be asked, the record is kept: what is kept too long can be deleted.
        """
        if not self._task.job_uid:
            return False
        try:
            job = await self._client.get(paths.jobs(self._task.runner_namespace, self._task.job))
        except NotFound:
            return False
        except Forbidden as error:
            log.warning("the record stays when its Job goes: %s", error)
            return False
        return job["metadata"]["uid"] == self._task.job_uid and "deletionTimestamp" not in job["metadata"]

    def _body(self, record: Record) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self._name,
                "namespace": self._task.runner_namespace,
                "labels": labels(self._task, "record"),
                "annotations": {meta.ANNOTATION_RESOURCE: f"{self._task.namespace}/{self._task.name}"},
            },
            "data": {meta.RECORD_KEY: to_text(record)},
        }


def labels(task: Task, role: str) -> dict[str, str]:
    """Labels of an object that a run leaves in its target."""
    return {
        meta.LABEL_MANAGED: "true",
        meta.LABEL_UID: task.uid,
        meta.LABEL_RUN: task.run_id,
        meta.LABEL_KIND: task.kind,
        meta.LABEL_ROLE: role,
    }


def owner_reference(task: Task) -> Object:
    """Makes an object go when the runner's Job goes."""
    return {"apiVersion": "batch/v1", "kind": "Job", "name": task.job, "uid": task.job_uid}


def _parse(body: Object) -> tuple[Record | None, Control]:
    data = body.get("data") or {}
    try:
        control = Control.model_validate_json(data.get(meta.CONTROL_KEY) or "{}")
        raw = data.get(meta.RECORD_KEY)
        return (from_text(raw) if raw else None), control
    except ValueError as error:
        raise RecordLost(f"the record {body['metadata']['name']} can not be read: {error}") from error
