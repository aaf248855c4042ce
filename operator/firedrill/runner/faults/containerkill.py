"""A container that is ended while its pod stays.

From within its own process namespace nobody can end the first process of a container, and not every application ends on
SIGTERM. What works for every image is the kubelet itself: it ends a container whose image field has changed, as a
rollout would, and starts it again when the field is as it was.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.changes import Change, ChangeState, ObjectEdited
from firedrill.clusters import paths
from firedrill.clusters.errors import NotFound
from firedrill.engines.chaos.views import PodView
from firedrill.runner.faults.driver import Look, NotInjected
from firedrill.runner.faults.edits import EditFault
from firedrill.runner.faults.edits_undo import undo_object_edited
from firedrill.runner.ports import Object
from firedrill.runner.retry import retry
from firedrill.runner.undoing import UndoContext

#: Beyond the time that the pod gives its containers to end.
_KUBELET_TIME: Final = timedelta(seconds=20)
_POLL_SECONDS: Final = 0.25


class ContainerKillFault(EditFault):
    """Ends a container of each pod."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._before: dict[str, Object] = {}
        self._ended: dict[str, datetime] = {}

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """One change a pod; what runs now is kept in mind."""
        changes = await super().plan(pods, now)
        for change in changes:
            self._before[change.uid] = await self._pod(change)
        return changes

    async def apply(self, change: ObjectEdited) -> Change:
        """Set the image, wait until the container has ended, and put the image back."""
        applied = await super().apply(change)
        assert isinstance(applied, ObjectEdited)
        ended = await self._await_end(applied)
        context = UndoContext(self._client, self._task, self._clock)
        look = await retry(self._clock, lambda: undo_object_edited(context, applied), f"putting {change.name} back")
        while look.change.state is not ChangeState.UNDONE:
            await self._clock.sleep(_POLL_SECONDS)
            look = await retry(self._clock, lambda: undo_object_edited(context, applied), f"putting {change.name} back")
        at = applied.applied_at or self._clock.now()
        self._ended[change.uid] = max(at, self._clock.now())
        return applied.model_copy(update={"evidence": f"{ended}; the image was put back"})

    async def look(self, change: ObjectEdited) -> Look:
        """That our value is gone again is as it should be; whether the container was started again is told."""
        try:
            pod = await self._pod(change)
        except NotFound:
            return Look(reverted=False, effect=f"pod {change.name} is gone")
        if pod["metadata"]["uid"] != change.uid:
            return Look(reverted=False, effect=f"pod {change.name} was replaced")
        name = _container(change)
        status = _status(pod, name)
        return Look(reverted=False, effect=f"container {name} was started {status.get('restartCount', 0)} times again")

    def ended_at(self, change: ObjectEdited, undone_at: datetime) -> datetime:
        """When the image was put back: from then on it is the kubelet's and the application's time."""
        return self._ended.get(change.uid, undone_at)

    def proven(self, change: ObjectEdited) -> bool:
        """The kubelet was seen to have ended the container."""
        return change.uid in self._ended

    async def _await_end(self, change: ObjectEdited) -> str:
        """How the container ended; raises NotInjected where it did not in time."""
        name = _container(change)
        before = self._before[change.uid]
        old = _status(before, name).get("containerID", "")
        grace = timedelta(seconds=before["spec"].get("terminationGracePeriodSeconds", 30))
        limit = self._clock.now() + grace + _KUBELET_TIME
        while self._clock.now() < limit:
            try:
                pod = await retry(self._clock, lambda: self._pod(change), f"reading pod {change.name}")
            except NotFound as error:
                raise NotInjected(f"pod {change.name} went away while its container was ended") from error
            ended = _how_it_ended(_status(pod, name), old)
            if ended:
                return f"container {name} {ended}"
            await self._clock.sleep(_POLL_SECONDS)
        raise NotInjected(f"the kubelet did not end container {name} of pod {change.name} in time")

    async def _pod(self, change: Change) -> Object:
        return await self._client.get(paths.pods(change.namespace, change.name))


def _container(change: ObjectEdited) -> str:
    return change.edits[0].path[2].removeprefix("[name=").removesuffix("]")


def _status(pod: Object, name: str) -> Object:
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((each for each in found if each["name"] == name), {})


def _how_it_ended(status: Object, old: str) -> str:
    """In words, from what the kubelet says of it; empty while the old container runs."""
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        ended = state.get("terminated")
        if ended and ended.get("containerID", old) == old:
            return f"ended with {ended.get('exitCode')} at {ended.get('finishedAt', 'an unknown time')}"
    if old and status.get("containerID") not in ("", None, old):
        return "was replaced by another"
    return ""
