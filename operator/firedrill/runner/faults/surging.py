"""A surge of read requests against the API server, and whether it is felt."""

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.changes import Change, ChangeState, RequestsSent
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.controlplane import ApiSurge, SurgeResource, SurgeScope
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.errors import ClusterError, Forbidden, NotFound, Throttled
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.statistics import median, rise
from firedrill.engines.chaos.views import PodView
from firedrill.runner.context import RunContext
from firedrill.runner.faults.asked import soon, too_late
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.surge.port import Sender, Surge
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting

_KINDS: Final = {
    SurgeResource.PODS: ("v1", "pods"),
    SurgeResource.DEPLOYMENTS: ("apps/v1", "deployments"),
    SurgeResource.REPLICA_SETS: ("apps/v1", "replicasets"),
    SurgeResource.STATEFUL_SETS: ("apps/v1", "statefulsets"),
    SurgeResource.DAEMON_SETS: ("apps/v1", "daemonsets"),
}
#: The process outlives the duration by so much at most, where nobody ends it.
_SLACK: Final = timedelta(seconds=5)
#: Clocks of two nodes may differ by so much, and a process takes so long to start.
_SKEW: Final = timedelta(seconds=5)
_STARTS_WITHIN: Final = 10.0
_POLL_SECONDS: Final = 0.1
#: Answers that the API server may have to hold at a time, and to send in a second.
_MOST_HELD: Final = 256 * 2**20
_MOST_SENT: Final = 100 * 2**20
_CONTROLS: Final = 12
_CONTROL_SECONDS: Final = 6.0
_SIGNIFICANCE: Final = 0.01
_LONGER: Final = 1.5
_ENDED: Final = ("Succeeded", "Failed")


class SurgeFault:
    """One surge, from a process of this pod."""

    def __init__(self, context: RunContext, spec: ChaosExperimentSpec, fault: ApiSurge) -> None:
        self._context = context
        self._fault = fault
        self._duration = spec.duration
        api, plural = _KINDS[fault.resource]
        namespace = None if fault.scope is SurgeScope.CLUSTER else spec.target.namespace
        self._path = paths.path(api, plural, namespace)
        self._namespace = spec.target.namespace
        self._sender: Sender | None = None
        self._before: list[float] = []
        self._effect = ""

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """Ask once, and see how large the answer is."""
        del pods
        try:
            size = len(json.dumps(await self._context.client.get(self._path)))
        except Forbidden as error:
            return Refusal("NotPermitted", f"the runner may not list {self._path}: {error.message}")
        except NotFound as error:
            return Refusal("NotApplicable", error.message)
        fault = self._fault
        if size * fault.concurrency > _MOST_HELD or size * fault.rate > _MOST_SENT:
            return Refusal(
                "NotApplicable",
                f"one answer has {size // 1024} KiB: {fault.concurrency} at a time and {fault.rate} a second are more "
                f"than {_MOST_HELD // 2**20} MiB at a time or {_MOST_SENT // 2**20} MiB a second; a rate of "
                f"{_MOST_SENT // size} and a concurrency of {_MOST_HELD // size} are not",
            )
        return None

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One process."""
        del pods, now
        change = RequestsSent(
            namespace=self._namespace,
            name=self._fault.resource.value,
            path=self._path,
            rate=self._fault.rate,
            concurrency=self._fault.concurrency,
            seconds=(self._duration + _SLACK).total_seconds(),
            sender=f"firedrill-surge-{self._context.task.run_id}",
            runner_pod=self._context.identity.uid,
        )
        return [change]

    def schedule(self, change: RequestsSent, now: datetime, deadline: datetime) -> Change:
        """It begins soon; its process ends by itself after its time."""
        begun = soon(change, now, deadline)
        assert begun.not_after is not None  # soon has set it
        return begun.model_copy(update={"ends_at": begun.not_after + timedelta(seconds=change.seconds) + _SKEW})

    async def apply(self, change: RequestsSent) -> Change:
        """See how long an answer takes now, and begin."""
        clock = self._context.clock
        self._before, _ = await self._controls()
        if too_late(change, clock):
            raise NotInjected("the surge could not be begun in time")
        now = clock.now()
        surge = Surge(change.path, change.rate, change.concurrency, now.timestamp() + change.seconds)
        try:
            self._sender = await self._context.surges.begin(surge)
        except OSError as error:
            raise NotInjected(f"no process for the surge can be started: {error}") from error
        self._context.stores.keep(change.sender, self._sender)
        waited = 0.0
        while not self._sender.told().count:
            alive, _ = await self._sender.look()
            if not alive or waited >= _STARTS_WITHIN:
                raise NotInjected("the process of the surge has got no answer from the API server")
            await clock.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
        evidence = f"{change.path} is listed {change.rate} times a second, {change.concurrency} at a time, at most"
        return change.model_copy(update={"state": ChangeState.APPLIED, "applied_at": now, "evidence": evidence})

    async def look(self, change: RequestsSent) -> Look:
        """What was answered, and how long requests of ours take beside it."""
        del change
        if self._sender is None:
            return Look(reverted=False)
        alive, _ = await self._sender.look()
        during, refused = await self._controls()
        told = self._sender.told()
        self._effect = _effect(told.refused + refused, told.count, self._before, during)
        return Look(reverted=not alive, effect=f"{self._effect}; {told}" if self._effect else "")

    async def undo(self, context: UndoContext, change: RequestsSent) -> Seen:
        """End the process, in the one that has started it."""
        sender = self._sender
        if sender is None:
            return seen(change, "no process was started")
        await context.stores.release(change.sender)
        alive, told = await sender.look()
        if alive:
            return waiting(change, "the process that sends is told to end")
        return seen(change, f"the process that sent has ended: {told}")

    def ended_at(self, change: RequestsSent, undone_at: datetime) -> datetime:
        """When its process was seen ended."""
        del change
        return undone_at

    def proven(self, change: RequestsSent) -> bool:
        """The API server has refused, or was slower."""
        del change
        return bool(self._effect)

    async def _controls(self) -> tuple[list[float], int]:
        """Seconds that each of a few single requests takes, and how many were refused."""
        took: list[float] = []
        refused = 0
        begun = time.monotonic()
        for _ in range(_CONTROLS):
            asked = time.monotonic()
            if asked - begun > _CONTROL_SECONDS:
                break
            try:
                await self._context.client.get(self._path, {"limit": "1"})
            except Throttled:
                refused += 1
                continue
            except ClusterError:
                # It says nothing of how long an answer takes.
                continue
            took.append(time.monotonic() - asked)
        return took, refused


def _effect(refused: int, count: int, before: Sequence[float], during: Sequence[float]) -> str:
    """What the API server shows of the surge; empty where it shows nothing."""
    if refused:
        return f"the API server refused {refused} of {count} requests with 429"
    if not before or not during:
        return ""
    slower = rise(before, during, 1 - _SIGNIFICANCE)
    usual, now = median(before), median(during)
    if slower.p_value >= _SIGNIFICANCE or now < _LONGER * usual:
        return ""
    return (
        f"a request beside it took {1000 * now:.0f} ms instead of {1000 * usual:.0f} ms "
        f"({len(during)} and {len(before)} requests, p = {slower.p_value:.2g})"
    )


async def undo_requests_sent(context: UndoContext, change: RequestsSent) -> Seen:
    """Nobody but the runner can end it; it ends with the runner's pod, or by the kernel when its time is over."""
    if not await _pod_lives(context, change):
        return seen(change, "the pod that sent the requests is gone, and its processes with it")
    if change.ends_at is not None and context.clock.now() > change.ends_at:
        return seen(change, "its time is over: the kernel has ended the process that sent")
    return waiting(change, "the runner's pod is there, and its process sends until the kernel ends it")


async def _pod_lives(context: UndoContext, change: RequestsSent) -> bool:
    query = {"labelSelector": f"batch.kubernetes.io/job-name={context.task.job}"}
    listed = await context.client.get(paths.pods(context.task.runner_namespace), query)
    return any(
        pod["metadata"]["uid"] == change.runner_pod and (pod.get("status") or {}).get("phase") not in _ENDED
        for pod in listed.get("items") or ()
    )


def requests_sent_needs(change: RequestsSent) -> list[Access]:
    """Nothing beside looking at the pods of the run, which every guardian may."""
    del change
    return []
