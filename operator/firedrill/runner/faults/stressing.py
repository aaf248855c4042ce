"""Faults of stress: a load in a container of the pod, which lives and dies with a process of ours beside it.

An ephemeral container shares the process namespace of the target. Its process holds nothing but a name in the pod's
network. The load is our own program, started in the target by exec, by way of that process's file system: so it needs
nothing of the target's image, and lives in the target's cgroup. It ends at its own time, or when the holder ends.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.changes import Change, HeldInPod
from firedrill.api.faults.stress import StressFault, StressMode
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.errors import ApiError, ClusterError, Forbidden, NotFound
from firedrill.engines.chaos.faults.stress import stress
from firedrill.engines.chaos.faults.template import NotApplicable
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.faults import ephemeral, holders
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.faults.filtering_undo import UNDOING_USER
from firedrill.runner.faults.inpod import POLL_SECONDS, InPodFault
from firedrill.runner.ports import Clock, Cluster, Object

#: What a holder needs to stand under the user of the target's first process; it gives both up then.
_TO_BECOME_OTHERS: Final = ("SETUID", "SETGID")
#: A load that was shorter by no more was there to the end.
_SLACK_SECONDS: Final = 2.0
_OOM_KILLED: Final = "OOMKilled"


class StressInPod(InPodFault[HeldInPod]):
    """Starts a load in each pod."""

    asks_for = "SETUID and SETGID"
    remaining_ways = (
        "Ways that remain: name the user in the pod's securityContext (runAsUser, runAsGroup); the fault "
        "limitsSqueeze; or an experiment in a namespace that admits pod security baseline"
    )

    def __init__(self, client: Cluster, clock: Clock, task: Task, fault: StressFault, duration: timedelta) -> None:
        super().__init__(client, clock, task, duration)
        self._fault = fault
        self._plain = False
        self._seen: set[str] = set()
        self._killed: dict[str, datetime] = {}

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """As of every fault in pods; where the holder is not admitted as root, it is tried as the pod's own user."""
        try:
            refusal = await super().precheck(pods)
            if refusal is not None and refusal.reason == "NotPermitted":
                self._plain = True
                return await super().precheck(pods)
        except NotApplicable as error:
            return Refusal("NotApplicable", str(error))
        return refusal

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change a pod; raises NotApplicable."""
        return [await self._plan_one(pod, now) for pod in pods]

    async def _plan_one(self, pod: PodView, now: datetime) -> HeldInPod:
        try:
            body = await self._client.get(paths.pods(pod.namespace, pod.name))
        except NotFound as error:
            raise NotInjected(f"pod {pod.key} went away before the fault") from error
        wanted = stress(self._fault, body)
        run = self._task.run_id
        times = self.times(now)
        # The container that stays is the one whose name decides: there is no other.
        times["inject_container"] = f"firedrill-{run}-hold"
        known = wanted.user is not None and (wanted.group is not None or self._plain)
        return HeldInPod(
            namespace=pod.namespace,
            name=pod.name,
            uid=pod.uid,
            way="load" if wanted.container else "beside",
            holder=holders.name_of(run, pod.uid),
            hold_container=f"firedrill-{run}-hold",
            target_container=wanted.container,
            settings=wanted.settings,
            user=wanted.user if known else None,
            group=wanted.group if known else None,
            **times,
        )

    def containers(self, change: HeldInPod) -> list[Object]:
        """The holder: as the target's user where that is known, else as root that can become it."""
        image, name = self._task.image, change.hold_container
        if not change.target_container:
            return [ephemeral.podfault(name, image, holders.hold(change), user=UNDOING_USER)]
        idle = holders.hold(change.model_copy(update={"settings": {"mode": "idle", "perches": change.user is None}}))
        target = change.target_container
        if change.user is not None:
            return [ephemeral.podfault(name, image, idle, user=change.user, group=change.group, target=target)]
        return [ephemeral.podfault(name, image, idle, user=0, capabilities=_TO_BECOME_OTHERS, target=target)]

    async def apply(self, change: HeldInPod) -> Change:
        """Start the holder, and from it the load; its first line is the proof."""
        sent_at = self._clock.now()
        await self.bring(change)
        holder = await self._await_holder(change)
        if not change.target_container:
            return self.applied(change, {"at": self._clock.now().timestamp(), **holder}, sent_at)
        return self.applied(change, await self._start(change, holder), sent_at)

    def told(self, change: HeldInPod, proof: dict[str, Any]) -> str:
        """The proof in words."""
        where = f"in container {change.target_container}" if change.target_container else "in the pod's network"
        return f"podfault runs {where}: {json.dumps(proof, sort_keys=True)}"

    async def _await_holder(self, change: HeldInPod) -> dict[str, Any]:
        """What the holder says of itself, once it runs; raises NotInjected."""
        while True:
            container = await self.read_container(change, change.hold_container)
            if container is not None and container.exit_code is not None:
                raise NotInjected(
                    f"the holder in pod {change.key} exited with {container.exit_code}: "
                    f"{container.message[:300] or 'no message'}"
                )
            if container is not None and container.started:
                told = await self._ask(change, begin=not change.target_container)
                if told is not None:
                    return told
            self.check_time(change, container)
            await self._clock.sleep(POLL_SECONDS)

    async def _ask(self, change: HeldInPod, *, begin: bool = False) -> dict[str, Any] | None:
        """What the holder says, None where nothing is heard of it; to ``begin`` is to end after the fault's time."""
        seconds = ("--seconds", f"{change.seconds:g}") if begin else ()
        command = (ephemeral.PODFAULT, "ask", "--name", change.holder, "--not-after", "0", *seconds)
        try:
            answer = await self._execute(change, change.hold_container, command)
        except Forbidden as error:
            raise NotInjected(f"the runner may not exec in pod {change.key}: {error.message}") from error
        except ClusterError:
            return None  # the container, or the way to it, is not ready yet
        found = _parsed(answer.line).get("holder")
        return found if isinstance(found, dict) else None

    async def _start(self, change: HeldInPod, holder: dict[str, Any]) -> dict[str, Any]:
        """Start the load from the first place that the target's user may look into."""
        errors = []
        for place in holder.get("places") or ():
            program = f"/proc/{place['pid']}/root{ephemeral.PODFAULT}"
            try:
                answer = await self._execute(change, change.target_container, (program, *holders.load(change)))
            except ApiError as error:
                raise NotInjected(f"exec in pod {change.key} was refused: {error.message}") from error
            proof = _parsed(answer.line)
            if proof.get("started"):
                return proof
            errors.append(str(proof.get("error") or answer.error)[:300])
            if "permission denied" not in errors[-1]:
                break
        raise NotInjected(f"the load did not start in {change.key}: {'; '.join(errors) or 'no place to start from'}")

    async def _execute(self, change: HeldInPod, container: str, command: Sequence[str]) -> Any:
        return await self._client.execute(paths.pods(change.namespace, change.name), container, command)

    async def look(self, change: HeldInPod) -> Look:
        """Whether the load is still there; of a container that was to be killed, whether it was."""
        try:
            body = await self._client.get(paths.pods(change.namespace, change.name))
        except NotFound:
            return Look(reverted=True)
        if body["metadata"]["uid"] != change.uid:
            return Look(reverted=True)
        if change.settings.get("mode") == StressMode.OOM:
            killed = killed_at(body, change)
            if killed is not None:
                self._killed[change.uid] = killed
                return Look(reverted=False, effect=f"container {change.target_container} was {_OOM_KILLED}")
            return Look(reverted=False)
        lasted = await self._lasted(change, body)
        if lasted > 0:
            self._seen.add(change.uid)
        whole = min((self._clock.now() - (change.applied_at or self._clock.now())).total_seconds(), change.seconds)
        effect = f"the load lasted {lasted:.1f} s" if lasted else ""
        return Look(reverted=lasted < whole - _SLACK_SECONDS, effect=effect)

    async def _lasted(self, change: HeldInPod, body: Object) -> float:
        """How many seconds the load was seen to last; a holder that has ended at its own time has had it to the end."""
        told = await self._ask(change)
        if told is not None:
            return float(told.get("loadSeconds") or 0) if change.target_container else change.seconds
        holder = ephemeral.parse_host(body).find(change.hold_container)
        finished = holder.finished_at if holder else None
        if finished is None or change.applied_at is None:
            return 0.0
        return min(max((finished - change.applied_at).total_seconds(), 0.0), change.seconds)

    def ended_at(self, change: HeldInPod, undone_at: datetime) -> datetime:
        """Of a kill when it was; else the load's own end, or ours if that came before."""
        killed = self._killed.get(change.uid)
        return killed if killed is not None else super().ended_at(change, undone_at)

    def proven(self, change: HeldInPod) -> bool:
        """The load was seen, or what it has done."""
        if change.settings.get("mode") == StressMode.OOM:
            return change.uid in self._killed
        return change.uid in self._seen


def killed_at(pod: Object, change: HeldInPod) -> datetime | None:
    """When the kernel has ended the target's container, if it has since the change was applied."""
    for each in (pod.get("status") or {}).get("containerStatuses") or ():
        if each["name"] != change.target_container:
            continue
        for state in (each.get("state") or {}, each.get("lastState") or {}):
            ended = state.get("terminated") or {}
            finished = ended.get("finishedAt")
            if ended.get("reason") != _OOM_KILLED or not finished:
                continue
            moment = datetime.fromisoformat(finished.replace("Z", "+00:00"))
            # The kubelet tells whole seconds.
            if change.applied_at is None or moment + timedelta(seconds=1) >= change.applied_at:
                return max(moment, change.applied_at) if change.applied_at else moment
    return None


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
