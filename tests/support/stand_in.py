"""Runner and guardian where there are no nodes: they do at the level of the API what the real ones do in pods.

The Job controller makes the pods; the stand-in plays kubelet and container. A fault is a ConfigMap in a namespace of
its own: it is there or it is not, and every injection is counted, so that a test can say *exactly once*.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp

from firedrill.api import meta
from firedrill.api.base import parse_duration
from firedrill.api.changes import ChangeState, PodDeleted
from firedrill.api.record import Control, GuardianView, Record, RecordState
from firedrill.api.task import Result, Task
from firedrill.api.verdict import ConditionStatus, Finding, Measurement, Verdict
from firedrill.clusters import paths
from firedrill.core.naming import record_name, result_name, task_name
from support.background import Background
from support.kube import MERGE, Cluster

Object = dict[str, Any]

FAULTS = "faults"
_POLL = 0.1
_BOOKKEEPING = 40.0


@dataclass(frozen=True)
class Part:
    """How the stand-in plays the runs of one resource."""

    verdict: Verdict = Verdict.PASSED
    measurements: int = 1
    #: Waits here for ever, with no pod started: an image that can not be pulled.
    never_start: bool = False
    #: The runner never answers an abort; the guardian has to.
    deaf: bool = False
    #: The runner dies without a word in this state of the record.
    die_in: RecordState | None = None
    #: The pod ends without a result.
    no_result: bool = False
    #: Seconds that the fault stays on, instead of the duration in the spec.
    hold: float | None = None
    #: Bytes of report in the result.
    report_bytes: int = 0


@dataclass
class Tally:
    """What was carried out of one run in one target."""

    pods: int = 0
    claims: int = 0
    injected: int = 0
    undone: int = 0
    results: int = 0
    undone_by: str = ""
    task: Task | None = field(default=None, compare=False)


class StandIn:
    """Plays all runners and guardians of one target. ``runs`` is by resource (namespace/name) and run id."""

    def __init__(self, background: Background, cluster: Cluster, namespace: str, name: str = "") -> None:
        self.name = name or cluster.name
        self.namespace = namespace
        self.runs: dict[tuple[str, str], Tally] = {}
        self.parts: dict[str, Part] = {}
        #: Called after each state of a record is written; the stand-in goes on when it returns.
        self.gate: Callable[[Task, RecordState], Awaitable[None]] | None = None
        self.errors: list[str] = []
        self._background = background
        self._cluster = cluster
        self._playing: dict[str, asyncio.Task[None]] = {}
        cluster.namespace(FAULTS)
        self._main = asyncio.run_coroutine_threadsafe(self._play(), background.loop)

    def close(self) -> None:
        """Stop playing."""
        self._background.loop.call_soon_threadsafe(self._main.cancel)

    def part(self, resource: str, **changes: Any) -> None:
        """Change how the runs of a resource are played."""
        self.parts[resource] = replace(self.parts.get(resource, Part()), **changes)

    def tallies(self, resource: str) -> list[Tally]:
        """What was carried out of each run of a resource."""
        return [tally for (owner, _), tally in list(self.runs.items()) if owner == resource]

    # -- inside --------------------------------------------------------------------------------------------------

    async def _play(self) -> None:
        way = self._cluster.access
        connector = aiohttp.TCPConnector(ssl=way.tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=20)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=dict(way.headers)) as session:
            self._api = _Api(session, way.server)
            try:
                while True:
                    await self._look()
                    await asyncio.sleep(_POLL)
            finally:
                for task in self._playing.values():
                    task.cancel()

    async def _look(self) -> None:
        try:
            jobs = await self._api.list(paths.jobs(self.namespace), f"{meta.LABEL_MANAGED}=true")
        except (aiohttp.ClientError, TimeoutError, _Refused) as error:
            self.errors.append(f"list of Jobs: {error!r}")
            return
        for job in jobs:
            uid = job["metadata"]["uid"]
            if uid not in self._playing and not (job.get("status") or {}).get("conditions"):
                self._playing[uid] = asyncio.create_task(self._guarded(job))

    async def _guarded(self, job: Object) -> None:
        guardian = job["metadata"]["labels"][meta.LABEL_ROLE] == "guardian"
        try:
            await (self._guardian(job) if guardian else self._runner(job))
        except _Ended:
            return
        except Exception as error:  # noqa: BLE001 - a test must hear of it, whatever it is
            self.errors.append(f"{job['metadata']['name']}: {error!r}")

    def _part(self, task: Task) -> Part:
        return self.parts.get(f"{task.namespace}/{task.name}", Part())

    def _tally(self, task: Task) -> Tally:
        return self.runs.setdefault((f"{task.namespace}/{task.name}", task.run_id), Tally())

    async def _reach(self, task: Task, state: RecordState) -> None:
        if self.gate is not None:
            await self.gate(task, state)

    async def _started(self, job: Object) -> tuple[Task, "_Pod"]:
        """Wait for the pod and for the task that it mounts, and let it run."""
        base = job["metadata"]["name"].removesuffix("-guardian")
        while True:
            await self._api.still_there(paths.jobs(self.namespace, job["metadata"]["name"]), job["metadata"]["uid"])
            pods = await self._api.list(
                paths.pods(self.namespace), f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}"
            )
            found = await self._api.find(paths.configmaps(self.namespace, task_name(base)))
            waiting = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Pending"]
            if found and waiting:
                task = Task.model_validate_json(found["data"][meta.TASK_KEY])
                if not self._part(task).never_start:
                    pod = _Pod(self._api, self.namespace, waiting[0])
                    await pod.phase("Running")
                    return task, pod
            await asyncio.sleep(_POLL)

    # -- the runner ----------------------------------------------------------------------------------------------

    async def _runner(self, job: Object) -> None:
        """One pod after the other, as long as the Job makes new ones."""
        while True:
            await self._run(*await self._started(job))

    async def _run(self, task: Task, pod: "_Pod") -> None:
        part, tally = self._part(task), self._tally(task)
        tally.pods += 1
        tally.task = task
        begun = datetime.now(UTC)
        if task.kind in ("ChaosExperiment", "AutoFix"):
            reason = await self._experiment(task, pod, part, tally)
        else:
            tally.injected += 1
            reason = ""
        if reason == "died":
            await pod.phase("Failed")
            return
        if reason == "another":
            await pod.phase("Succeeded")
            return
        if not part.no_result:
            await self._write_result(task, part, tally, reason, begun)
        await pod.phase("Failed" if part.no_result else "Succeeded")

    async def _experiment(self, task: Task, pod: "_Pod", part: Part, tally: Tally) -> str:
        """Claim, inject once, hold, undo. Empty for a run that went through, else why it did not."""
        record = Record(
            uid=task.uid,
            run_id=task.run_id,
            cluster=task.cluster,
            kind=task.kind,
            claim=pod.uid,
            deadline=task.deadline,
            changes=[
                PodDeleted(
                    namespace=FAULTS,
                    name=task.job,
                    owner_kind="ReplicaSet",
                    owner_name="ledger",
                    owner_uid="x",
                    ready_before=1,
                )
            ],
        )
        store = _Record(self._api, task)
        if not await store.create(record):
            existing, control = await store.read()
            return "another" if existing is not None else f"Cancelled: {control.abort}"
        tally.claims += 1
        await self._reach(task, RecordState.PREPARED)
        if part.die_in is RecordState.PREPARED:
            return "died"
        guarded, control = await store.wait(lambda r, c: r.guardian is not None or bool(c.abort), pod)
        if control.abort or guarded.guardian is None:
            await store.write(lambda r: _undone(r, "runner"), owned=True)
            return control.abort
        await store.write(lambda r: r.model_copy(update={"state": RecordState.APPLYING}))
        await self._reach(task, RecordState.APPLYING)
        await self._inject(task, tally)
        if part.die_in is RecordState.APPLYING:
            return "died"
        await store.write(_applied)
        await self._reach(task, RecordState.APPLIED)
        if part.die_in is RecordState.APPLIED:
            return "died"
        hold = part.hold if part.hold is not None else parse_duration(task.spec.get("duration", "10s")).total_seconds()
        end = asyncio.get_running_loop().time() + hold
        record, control = await store.wait(
            lambda r, c: (
                (bool(c.abort) and not part.deaf)
                or asyncio.get_running_loop().time() >= end
                or r.state is not RecordState.APPLIED
            ),
            pod,
        )
        if record.state is RecordState.APPLIED:
            await store.write(lambda r: r.model_copy(update={"state": RecordState.UNDOING}))
            if part.die_in is RecordState.UNDOING:
                return "died"
            await self._undo(task, tally, "runner")
            await store.write(lambda r: _undone(r, "runner"), owned=True)
            await self._reach(task, RecordState.UNDONE)
        else:
            await store.wait(lambda r, _: r.state.settled, pod)
        return control.abort

    async def _inject(self, task: Task, tally: Tally) -> None:
        await self._api.call(
            "POST",
            paths.configmaps(FAULTS),
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": f"{self.name}-{task.job}",
                    "annotations": {"of": f"{task.namespace}/{task.name}"},
                },
            },
        )
        tally.injected += 1
        await _Record(self._api, task).write(_marked)

    async def _undo(self, task: Task, tally: Tally, by: str) -> None:
        where = paths.configmaps(FAULTS, f"{self.name}-{task.job}")
        if await self._api.find(where) is None:
            return
        await self._api.call("DELETE", where)
        tally.undone += 1
        tally.undone_by = by

    async def _write_result(self, task: Task, part: Part, tally: Tally, reason: str, begun: datetime) -> None:
        word, _, text = reason.partition(":")
        verdict = Verdict.INCONCLUSIVE if reason else part.verdict
        mutates = task.kind == "ChaosExperiment"
        result = Result(
            uid=task.uid,
            run_id=task.run_id,
            cluster=task.cluster,
            verdict=verdict,
            reason=word or verdict.value,
            message=text.strip() or reason or f"the stand-in says {verdict.value}",
            measurements=[
                Measurement(
                    name=f"measurement-{number}",
                    value=float(number),
                    unit="ratio",
                    limit=">= 0",
                    passed=verdict is Verdict.PASSED,
                    detail="n=100",
                )
                for number in range(part.measurements)
            ],
            findings=[
                Finding(type=name, status=ConditionStatus.TRUE, reason="Seen", message="by the stand-in")
                for name in (("Injected", "Recovered", "RecoveryVerified") if mutates and tally.injected else ())
            ],
            started_at=begun,
            finished_at=datetime.now(UTC),
            report={"padding": "x" * part.report_bytes} if part.report_bytes else {},
        )
        body = _configmap(task, result_name(task.job), "result", {meta.RESULT_KEY: json.dumps(result.to_wire())})
        body["metadata"]["ownerReferences"] = [_owner(task)]
        await self._api.call("POST", paths.configmaps(self.namespace), body)
        tally.results += 1

    # -- the guardian --------------------------------------------------------------------------------------------

    async def _guardian(self, job: Object) -> None:
        task, pod = await self._started(job)
        store, aborted_at = _Record(self._api, task), None
        loop = asyncio.get_running_loop()
        while True:
            await pod.still_there()
            record, control = await store.read()
            if (record is None and control.abort) or (record is not None and record.state.settled):
                break
            if record is None:
                if await self._runner_over(task):
                    break
            else:
                if record.guardian is None:
                    await store.write(lambda r: _armed(r, pod.uid))
                aborted_at = aborted_at or (loop.time() if control.abort else None)
                ignored = aborted_at is not None and loop.time() - aborted_at > 2
                gone = not await self._api.alive(self.namespace, record.claim, task.job)
                if gone or ignored or datetime.now(UTC) >= record.deadline:
                    await self._undo(task, self._tally(task), "guardian")
                    await store.write(lambda r: _undone(r, "guardian"), owned=True)
                    break
            await asyncio.sleep(_POLL)
        await pod.phase("Succeeded")

    async def _runner_over(self, task: Task) -> bool:
        job = await self._api.find(paths.jobs(self.namespace, task.job))
        return job is None or bool((job.get("status") or {}).get("conditions"))


def _marked(record: Record) -> Record:
    now = datetime.now(UTC)
    changes = [change.model_copy(update={"state": ChangeState.APPLIED, "applied_at": now}) for change in record.changes]
    return record.model_copy(update={"changes": changes})


def _applied(record: Record) -> Record:
    if record.state is not RecordState.APPLYING:
        return record
    return record.model_copy(update={"state": RecordState.APPLIED, "applied_at": datetime.now(UTC)})


def _undone(record: Record, by: str) -> Record:
    if record.state.settled:
        return record
    changes = [change.model_copy(update={"evidence": "the marker is gone"}) for change in record.changes]
    update = {"state": RecordState.UNDONE, "undone_at": datetime.now(UTC), "undone_by": by, "changes": changes}
    return record.model_copy(update=update)


def _armed(record: Record, pod: str) -> Record:
    view = GuardianView(pod_uid=pod, node="none", armed_at=datetime.now(UTC), permitted=True)
    return record.model_copy(update={"guardian": record.guardian or view})


def _owner(task: Task) -> Object:
    return {"apiVersion": "batch/v1", "kind": "Job", "name": task.job, "uid": task.job_uid}


def _configmap(task: Task, name: str, role: str, data: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": task.runner_namespace,
            "labels": {
                meta.LABEL_MANAGED: "true",
                meta.LABEL_UID: task.uid,
                meta.LABEL_RUN: task.run_id,
                meta.LABEL_KIND: task.kind,
                meta.LABEL_ROLE: role,
            },
            "annotations": {meta.ANNOTATION_RESOURCE: f"{task.namespace}/{task.name}"},
        },
        "data": data,
    }


class _Ended(Exception):
    """The Job or the pod is gone: a real process would be dead."""


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class _Api:
    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def call(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> Object:
        async with self._session.request(
            method,
            self._server + path,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type},
        ) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise _Refused(answer.status, text[:300])
            parsed: Object = json.loads(text)
            return parsed

    async def list(self, path: str, selector: str) -> list[Object]:
        return list((await self.call("GET", f"{path}?labelSelector={selector}"))["items"])

    async def find(self, path: str) -> Object | None:
        try:
            return await self.call("GET", path)
        except _Refused as error:
            if error.status == 404:
                return None
            raise

    async def still_there(self, path: str, uid: str) -> None:
        found = await self.find(path)
        if found is None or found["metadata"]["uid"] != uid:
            raise _Ended
        if found["kind"] == "Job" and (found.get("status") or {}).get("conditions"):
            raise _Ended

    async def alive(self, namespace: str, uid: str, job: str) -> bool:
        """Whether a pod of a Job has not ended."""
        pods = await self.list(paths.pods(namespace), f"batch.kubernetes.io/job-name={job}")
        return any(
            pod["metadata"]["uid"] == uid and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
            for pod in pods
        )


@dataclass
class _Pod:
    api: _Api
    namespace: str
    body: Object
    uid: str = field(init=False)

    def __post_init__(self) -> None:
        self.uid = self.body["metadata"]["uid"]

    async def still_there(self) -> None:
        await self.api.still_there(paths.pods(self.namespace, self.body["metadata"]["name"]), self.uid)

    async def phase(self, phase: str) -> None:
        """What a kubelet would report."""
        await self.still_there()
        where = paths.pods(self.namespace, self.body["metadata"]["name"], "status")
        try:
            await self.api.call("PATCH", where, {"status": {"phase": phase}}, MERGE)
        except _Refused as error:
            if error.status == 404:
                raise _Ended from error
            raise


class _Record:
    """The record in its ConfigMap, by compare-and-swap."""

    def __init__(self, api: _Api, task: Task) -> None:
        self._api = api
        self._task = task
        self._path = paths.configmaps(task.runner_namespace, record_name(task.job))

    async def create(self, record: Record) -> bool:
        body = _configmap(self._task, record_name(self._task.job), "record", {meta.RECORD_KEY: _dump(record)})
        try:
            await self._api.call("POST", paths.configmaps(self._task.runner_namespace), body)
        except _Refused as error:
            if error.status == 409:
                return False
            raise
        return True

    async def read(self) -> tuple[Record | None, Control]:
        found = await self._api.find(self._path)
        if found is None:
            return None, Control()
        return _parse(found)

    async def write(self, change: Callable[[Record], Record], *, owned: bool = False) -> None:
        while True:
            found = await self._api.find(self._path)
            if found is None:
                raise _Ended
            record, _ = _parse(found)
            if record is None:
                raise _Ended
            wanted = change(record)
            if wanted == record:
                return
            patch: Object = {
                "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
                "data": {meta.RECORD_KEY: _dump(wanted)},
            }
            if owned:
                patch["metadata"]["ownerReferences"] = [_owner(self._task)]
            try:
                await self._api.call("PATCH", self._path, patch, MERGE)
            except _Refused as error:
                if error.status == 409:
                    continue
                raise
            return

    async def wait(self, until: Callable[[Record, Control], bool], pod: _Pod) -> tuple[Record, Control]:
        while True:
            await pod.still_there()
            record, control = await self.read()
            if record is None:
                raise _Ended
            if until(record, control):
                return record, control
            await asyncio.sleep(_POLL)


def _parse(body: Object) -> tuple[Record | None, Control]:
    data = body.get("data") or {}
    text = data.get(meta.RECORD_KEY)
    control = Control.model_validate_json(data.get(meta.CONTROL_KEY) or "{}")
    return (Record.model_validate_json(text) if text else None), control


def _dump(record: Record) -> str:
    return json.dumps(record.to_wire())


def counted(tallies: list[Tally]) -> Counter[str]:
    """All runs of a resource together."""
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(pods=tally.pods, claims=tally.claims, injected=tally.injected, undone=tally.undone)
    return total
