"""The sweeper: the last one that undoes, where hub, runner and guardian are gone for good.

It needs nothing but the records in its own namespace: no task, no Job, no hub. It leaves alone what a runner or a
guardian still looks after. Undoing may be done by several at once, so a guardian that comes back does no harm.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from firedrill.api import meta
from firedrill.api.changes import ChangeBase
from firedrill.api.errors import InvalidInput
from firedrill.api.faults.about import Family
from firedrill.api.record import Record
from firedrill.api.record_text import from_text
from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ApiError, ClusterError, NotFound
from firedrill.core.naming import guardian_name, record_name, vault_name
from firedrill.runner.ports import Clock, Cluster, Object, SystemClock
from firedrill.runner.record_store import RecordLost, RecordStore
from firedrill.runner.retry import retry
from firedrill.runner.undoing import UndoContext, Undoer, Undoing
from firedrill.runner.vault import Vault

log = logging.getLogger(__name__)

#: How long past its deadline a record is left to Jobs that exist but may never get to it.
OVERDUE: Final = timedelta(minutes=10)
#: One sweep goes on for so long; the next one goes on with what is left.
SWEEP_LIMIT: Final = timedelta(minutes=4)
_RECORDS: Final = {"labelSelector": f"{meta.LABEL_MANAGED}=true,{meta.LABEL_ROLE}=record"}
_ENDED: Final = ("Succeeded", "Failed")
Table = Mapping[type[ChangeBase], Undoer]


@dataclass(frozen=True)
class Keepers:
    """Who may still look after a record: pods of its claim, and of its guardian's Job while that is there."""

    runner: bool
    guardian: bool


def why_sweep(record: Record, keepers: Keepers, now: datetime) -> str:
    """Why a record is to be undone by the sweeper; empty to leave it."""
    if record.state.settled:
        return ""
    if now > record.deadline + OVERDUE:
        return f"its deadline {record.deadline:%Y-%m-%d %H:%M} UTC is long past"
    if keepers.runner or keepers.guardian:
        return ""
    return "its runner and its guardian are gone"


class Sweeper:
    """Sweeps one namespace.

    ``table_of`` gives how changes of a kind are undone, and ``context_of`` with what; ``image`` is what undoes in pods.
    """

    def __init__(
        self,
        client: Cluster,
        clock: Clock,
        namespace: str,
        image: str,
        table_of: Callable[[str], Table],
        context_of: Callable[[Cluster, Task, Clock], UndoContext] = UndoContext,
    ) -> None:
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._image = image
        self._table_of = table_of
        self._context_of = context_of

    async def run(self) -> list[str]:
        """Undo all that nobody else will; what is left undone or can not be read, in words. Raises ClusterError."""
        listed = await self._get(paths.configmaps(self._namespace), _RECORDS, "listing the records")
        limit = self._clock.now() + SWEEP_LIMIT
        items: list[Object] = listed.get("items") or []
        outcomes = await asyncio.gather(*(self._look_at(item, limit) for item in items))
        await self._empty_vaults({_job_of(item) for item in items if not _is_settled(item)})
        return [problem for problem in outcomes if problem]

    async def _look_at(self, item: Object, limit: datetime) -> str:
        name = item["metadata"]["name"]
        raw = (item.get("data") or {}).get(meta.RECORD_KEY)
        if not raw:
            return ""  # it fences a run that was never begun
        try:
            record = from_text(raw)
        except ValueError as error:
            return f"record {name} can not be read; a person must see to what it lists: {error}"
        job = _job_of(item)
        try:
            why = why_sweep(record, await self._keepers(job, record), self._clock.now())
            if not why:
                return ""
            log.warning("undoing what record %s lists: %s", name, why)
            settled = await self._undo(self._task(job, record, _resource_of(item)), record, why, limit)
        except (ClusterError, RecordLost) as error:
            return f"record {name}: {error}"
        except Exception as error:
            # Whatever it is, the other records are undone all the same.
            log.exception("sweeping record %s", name)
            return f"record {name}: {type(error).__name__}: {error}"
        log.info("record %s is %s", name, settled.state)
        return "" if settled.state.settled else f"record {name} is not undone yet: {_waits_for(settled)}"

    async def _undo(self, task: Task, record: Record, why: str, limit: datetime) -> Record:
        store = RecordStore(self._client, task, self._clock)
        context = self._context_of(self._client, task, self._clock)
        undoing = Undoing(context, store, self._table_of(record.kind), "sweeper")
        return await undoing.run(lambda: self._clock.now() >= limit, f"undone by the sweeper: {why}")

    async def _empty_vaults(self, recorded: set[str]) -> None:
        """Take away what is kept for runs without a Job, and without a record that is to be undone yet."""
        vault = Vault(self._client, self._clock, self._namespace, "", "")
        for family in Family:
            try:
                jobs = await vault.jobs(family)
            except ApiError as error:
                log.info("no vault of family %s is looked at: %s", family, error)
                continue
            for job in sorted(jobs - recorded):
                if not await self._pods(job) and not await self._exists(job):
                    await Vault(self._client, self._clock, self._namespace, job, "").forget([vault_name(family)])

    async def _exists(self, job: str) -> bool:
        try:
            await self._get(paths.jobs(self._namespace, job), None, "looking for the runner's Job")
        except NotFound:
            return False
        return True

    def _task(self, job: str, record: Record, resource: tuple[str, str]) -> Task:
        """What an undo function asks of a task. It names no Job: the record is to outlive all of them."""
        return Task(
            kind=record.kind,
            namespace=resource[0],
            name=resource[1],
            uid=record.uid,
            run_id=record.run_id,
            cluster=record.cluster,
            runner_namespace=self._namespace,
            job=job,
            job_uid="",
            started_at=record.deadline,
            deadline=record.deadline,
            image=self._image,
            policy=TargetPolicy(),
            spec={},
        )

    async def _keepers(self, job: str, record: Record) -> Keepers:
        runner = await self._pods(job)
        alive = any(pod["metadata"]["uid"] == record.claim for pod in runner)
        try:
            found = await self._get(paths.jobs(self._namespace, guardian_name(job)), None, "looking for the guardian")
        except NotFound:
            return Keepers(alive, guardian=bool(await self._pods(guardian_name(job))))
        conditions = (found.get("status") or {}).get("conditions") or ()
        ended = any(item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in conditions)
        return Keepers(alive, guardian=not ended)

    async def _pods(self, job: str) -> Sequence[Object]:
        query = {"labelSelector": f"batch.kubernetes.io/job-name={job}"}
        listed = await self._get(paths.pods(self._namespace), query, "listing the pods")
        found: list[Object] = listed.get("items") or []
        return [pod for pod in found if (pod.get("status") or {}).get("phase") not in _ENDED]

    async def _get(self, path: str, query: Mapping[str, str] | None, what: str) -> Object:
        return await retry(self._clock, lambda: self._client.get(path, query), what)


def _job_of(item: Object) -> str:
    name: str = item["metadata"]["name"]
    return name.removesuffix(record_name(""))


def _is_settled(item: Object) -> bool:
    """Whether a record was settled when it was listed; one that can not be read is not."""
    try:
        return from_text((item.get("data") or {}).get(meta.RECORD_KEY) or "").state.settled
    except ValueError:
        return False


def _resource_of(item: Object) -> tuple[str, str]:
    """Namespace and name of the resource on the hub that a record belongs to."""
    namespace, _, name = str((item["metadata"].get("annotations") or {}).get(meta.ANNOTATION_RESOURCE, "")).partition(
        "/"
    )
    return namespace, name


def _waits_for(record: Record) -> str:
    return "; ".join(change.evidence for change in record.changes if change.evidence)[:500]


async def sweep(table_of: Callable[[str], Table], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Sweep the own namespace from inside its cluster. Raises InvalidInput that names a missing variable."""
    names = ("POD_NAMESPACE", "FIREDRILL_RUNNER_IMAGE")
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise InvalidInput(f"{', '.join(missing)} must be set")
    client = KubeClient(await api_from_environment(), "this cluster")
    try:
        namespace, image = (environ[name] for name in names)
        return await Sweeper(client, SystemClock(), namespace, image, table_of).run()
    finally:
        await client.close()
