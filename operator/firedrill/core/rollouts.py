"""Runs on rollouts: what is a rollout, what status remembers of it, and when a run is due for it.

Status holds, of each target, the template that was run for last (at first: that was there), and one that was seen
completely rolled out since then, for which no run began. The first write that names a run's Job in a target makes the
one the other: a rollout is noticed and run for by writes that are guarded by resourceVersion, so a crash between them
loses none and starts none twice. The same template again is no rollout, whatever happened in between: a fault that was
undone, a rollout that was taken back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.about import Family
from firedrill.api.resource import RunResource
from firedrill.api.rollout import OnRollout, RolloutSeen, Workload
from firedrill.api.run import ClusterResult, RunSpec, RunStatus
from firedrill.api.verdict import Condition, ConditionStatus, Finding
from firedrill.core.across import ELSEWHERE
from firedrill.core.actions import PublishEvent
from firedrill.core.naming import digest
from firedrill.core.observed import Observed
from firedrill.core.refusal import forbidden, unready
from firedrill.core.schedule import Trigger
from firedrill.core.summary import set_conditions
from firedrill.core.targets import matched, missing_names
from firedrill.core.workload import Blind, Sight

CAUSE: Final = "Rollout"
CONDITION: Final = "RolloutsSeen"
#: What can not be told by an event is looked at again so soon; so late while a rule of the target holds it back.
_POLL: Final = timedelta(seconds=5)
_HELD_POLL: Final = timedelta(minutes=1)
#: Engines of others change templates without the mark by which a fault of ours is known.
_UNMARKED: Final = (Family.CHAOS_TOOLKIT, Family.CHAOS_MESH, Family.LITMUS, Family.AWS_FIS)
_TOLD: Final = 3
#: As many as a resource may name; labels may match more.
_MOST: Final = 64
_REPLACED: Final = "Replaced"


@dataclass(frozen=True)
class _Place:
    """A target that may be run in, with what is known and what is seen of the workload there."""

    name: str
    entry: RolloutSeen | None
    sight: Sight | None
    #: Why it is not seen, or may not be looked at.
    blind: Blind | None
    reachable: bool
    #: What the entry has to speak of.
    identity: str
    #: Why no run can begin there at this time; empty where one can.
    held: str = ""

    @property
    def pending(self) -> RolloutSeen | None:
        """The entry, where a template that is there was rolled out, and no run began for it."""
        entry, sight = self.entry, self.sight
        if entry is None or sight is None or not self.reachable or sight.faulted or entry.workload != self.identity:
            return None
        return entry if entry.new_template == sight.template else None


def watched(observed: Observed) -> tuple[Workload, Sequence[str]] | None:
    """The workload that has to be looked at, and the targets in which a resource may run; None for none."""
    spec = _watching(observed.resource)
    if spec is None:
        return None
    names = [name for name in matched(spec.clusters, observed.targets) if not _forbidden(observed, name)]
    return _asked(spec).workload, names


def noticed(observed: Observed, now: datetime) -> RunStatus:
    """Status with what is seen of rollouts now. Nothing is noticed while suspended, nor on the way out."""
    resource = observed.resource
    status, spec = resource.status, resource.spec
    if spec is not None and spec.on_rollout is None and (status.rollouts or _condition(status)):
        kept = [each for each in status.conditions if each.type != CONDITION]
        return status.model_copy(update={"rollouts": [], "conditions": kept})
    if spec is not None and spec.suspend and spec.on_rollout and not resource.meta.deleting:
        said = Finding(
            type=CONDITION, status=ConditionStatus.UNKNOWN, reason="Suspended", message="spec.suspend is set"
        )
        return _told(resource, status, said, now)
    spec = _watching(resource)
    if spec is None:
        return status
    places = _places(observed, spec, now)
    entries = [entry for place in places if (entry := _after(resource, place, now)) is not None]
    # A target that is connected to anew is none for a moment, and so is one whose TargetCluster is created again.
    away = [entry for entry in status.rollouts if entry.cluster not in observed.targets]
    status = status.model_copy(update={"rollouts": [*entries, *away][:_MOST]})
    if any(place.sight is None and place.blind is None for place in places):
        return status
    return _told(resource, status, _finding(observed, spec, _places(observed, spec, now, status)), now)


def told(before: RunStatus, after: RunStatus) -> tuple[PublishEvent, ...]:
    """What people are told by an Event: that rollouts are not seen any more, or something else keeps them from it."""
    old, new = _condition(before), _condition(after)
    if new is None or new.status is not ConditionStatus.FALSE or (old and old.reason == new.reason):
        return ()
    return (PublishEvent(new.reason, new.message[:1024], warning=True),)


def trigger(observed: Observed, now: datetime) -> Trigger | None:
    """The run that rollouts start now, in the targets in which they were; None for none."""
    spec = _watching(observed.resource)
    if spec is None:
        return None
    places = _places(observed, spec, now)
    due = {place.name: place.pending for place in places if _due_in(place, spec, now) == timedelta(0)}
    if not due:
        return None
    value = ",".join(f"{name}={entry.new_template}" for name, entry in sorted(due.items()) if entry)
    return Trigger(CAUSE, value, tuple(sorted(due)))


def replaces(observed: Observed, now: datetime) -> bool:
    """Whether a rollout is due in a target in which the run that goes on was begun: it tests what is gone."""
    due = trigger(observed, now)
    begun = {entry.name for entry in observed.resource.status.clusters if entry.job}
    return due is not None and due.targets is not None and not begun.isdisjoint(due.targets)


def look_again(observed: Observed, now: datetime) -> timedelta | None:
    """How long to wait until something may be due of which nobody tells; None for nothing."""
    spec = _watching(observed.resource)
    if spec is None:
        return None
    waits: list[timedelta] = []
    for place in _places(observed, spec, now):
        due_in = _due_in(place, spec, now)
        unsure = place.sight is not None and (place.entry is None or not place.reachable)
        if due_in is not None:
            waits.append(due_in or _POLL)
        elif unsure:
            waits.append(_POLL)
        elif place.pending:
            waits.append(_HELD_POLL)
    return min(waits, default=None)


def begun(resource: RunResource, status: RunStatus, names: Iterable[str]) -> RunStatus:
    """Status in which the rollouts in these targets are run for: the same write names the Jobs there."""
    named = set(names)
    if not status.rollouts or not named:
        return status
    entries = [_run_for(resource, entry) if entry.cluster in named else entry for entry in status.rollouts]
    return status.model_copy(update={"rollouts": [entry for entry in entries if entry is not None]})


def counted(resource: RunResource, status: RunStatus, clusters: Sequence[ClusterResult]) -> RunStatus:
    """Status in which rollouts are run for where the run is begun now, or is not to begin any more because of what came
    of it elsewhere; and are not, where it was cut short by a newer one."""
    run, now = status.last_run, list(zip(status.clusters, clusters, strict=True))
    ended = [entry for known, entry in now if known.verdict is None and entry.verdict is not None]
    named = {entry.name for known, entry in now if entry.job and not known.job}
    stopped = {entry.name for entry in ended if entry.reason == ELSEWHERE and not entry.job}
    cut_short = {entry.name for entry in ended if entry.reason == _REPLACED and entry.job}
    status = begun(resource, status, named | stopped)
    if not cut_short or run is None:
        return status
    entries = [_again(entry, run.started_at) if entry.cluster in cut_short else entry for entry in status.rollouts]
    return status.model_copy(update={"rollouts": entries})


def _again(entry: RolloutSeen, since: datetime) -> RolloutSeen:
    """No template was run for; the one that a run was begun for waits, or a newer one does already."""
    waits = {"new_template": entry.template, "new_revision": entry.revision, "completed_at": since}
    return entry.model_copy(update={"template": "", "revision": "", **({} if entry.new_template else waits)})


def _watching(resource: RunResource) -> RunSpec | None:
    """The spec of a resource that waits for rollouts now."""
    spec = resource.spec
    if spec is None or spec.on_rollout is None or spec.suspend or resource.meta.deleting:
        return None
    return spec


def _asked(spec: RunSpec) -> OnRollout:
    assert spec.on_rollout is not None  # asked for where something is waited for
    return spec.on_rollout


def _forbidden(observed: Observed, name: str) -> str:
    refused = forbidden(observed.resource, observed.targets[name], observed.requester)
    return refused.message if refused else ""


def _places(observed: Observed, spec: RunSpec, now: datetime, status: RunStatus | None = None) -> list[_Place]:
    known = {entry.cluster: entry for entry in (status or observed.resource.status).rollouts}
    return [_place(observed, spec, name, known, now) for name in matched(spec.clusters, observed.targets)]


def _place(observed: Observed, spec: RunSpec, name: str, known: Mapping[str, RolloutSeen], now: datetime) -> _Place:
    view, look = observed.targets[name], observed.workloads.get(name)
    rule = _forbidden(observed, name)
    blind = Blind("NotPermitted", rule) if rule else look if isinstance(look, Blind) else None
    entry = known.get(name)
    held = unready(observed.resource, view, now) if entry is not None and entry.new_template else None
    return _Place(
        name=name,
        entry=entry,
        sight=look if isinstance(look, Sight) and blind is None else None,
        blind=blind,
        reachable=view.reachable,
        identity=digest(view.cluster_uid, str(_asked(spec).workload)),
        held=held.message if held else "",
    )


def _after(resource: RunResource, place: _Place, now: datetime) -> RolloutSeen | None:
    """What is known of a target after it was looked at."""
    entry, sight = place.entry, place.sight
    if sight is None or not place.reachable:
        return entry
    if entry is None or entry.workload != place.identity:
        return None if sight.faulted or not sight.current or _own_doing(resource, place.name, sight) else _first(place)
    if sight.faulted or not sight.complete:
        return entry
    if _same(sight, entry.template, entry.revision):
        gone = {"new_template": "", "new_revision": "", "completed_at": None}
        return entry.model_copy(update={"template": sight.template, "revision": sight.revision, **gone})
    since = entry.completed_at if _same(sight, entry.new_template, entry.new_revision) else now
    found = {"new_template": sight.template, "new_revision": sight.revision, "completed_at": since}
    return entry.model_copy(update=found)


def _first(place: _Place) -> RolloutSeen:
    assert place.sight is not None  # it is seen
    sight = place.sight
    return RolloutSeen(cluster=place.name, workload=place.identity, template=sight.template, revision=sight.revision)


def _same(sight: Sight, template: str, revision: str) -> bool:
    """Whether it is the same: by what it says or, where an API server fills in more by now, by what it is called."""
    return sight.template == template or (bool(revision) and sight.revision == revision)


def _run_for(resource: RunResource, entry: RolloutSeen) -> RolloutSeen | None:
    """What is known of a target once a run was begun there."""
    if _unmarked(resource):
        return None
    if not entry.new_template:
        return entry
    done = {"template": entry.new_template, "revision": entry.new_revision}
    return entry.model_copy(update={**done, "new_template": "", "new_revision": "", "completed_at": None})


def _unmarked(resource: RunResource) -> bool:
    """Whether runs may leave another template than they found, or change one without a mark.

    What is new after such a run can not be told from a rollout: it must not start the next one, and so on without end.
    """
    if isinstance(resource.spec, ChaosExperimentSpec):
        return any(fault.family in _UNMARKED for fault in resource.spec.faults)
    return resource.kind.changes


def _own_doing(resource: RunResource, name: str, sight: Sight) -> bool:
    """Whether what is seen may be on its way, or on its way back, by a run of the resource's own."""
    run = resource.status.last_run
    if run is None or not _unmarked(resource):
        return False
    entry = next((each for each in resource.status.clusters if each.name == name), None)
    if entry is None or not entry.job:
        return False
    return run.finished_at is None or not entry.settled or sight.at <= run.finished_at


def _due_in(place: _Place, spec: RunSpec, now: datetime) -> timedelta | None:
    """How long until a rollout there is due; None where there is none, or one that something else holds back."""
    entry = place.pending
    if entry is None or place.held or entry.completed_at is None:
        return None
    return max(timedelta(0), entry.completed_at + _asked(spec).delay - now)


def _condition(status: RunStatus) -> Condition | None:
    return next((each for each in status.conditions if each.type == CONDITION), None)


def _told(resource: RunResource, status: RunStatus, finding: Finding, now: datetime) -> RunStatus:
    """Status with the condition; only what is new is written."""
    before = _condition(status)
    if before and (before.status, before.reason, before.message) == (finding.status, finding.reason, finding.message):
        return status
    told = set_conditions(status, [finding], resource.meta.generation, now)
    return told.model_copy(update={"observed_generation": status.observed_generation})


def _finding(observed: Observed, spec: RunSpec, places: Sequence[_Place]) -> Finding:
    """Whether rollouts are seen, or what is in the way, in words that stay the same as long as it is."""
    workload, run = _asked(spec).workload, observed.resource.status.last_run
    absent = [f"no TargetCluster is named {name}" for name in missing_names(spec.clusters, observed.targets)]
    blind = [place.blind for place in places if place.blind]
    if blind or absent or not places:
        reason = blind[0].reason if blind else "NoTargets"
        said = [*absent, *(each.message for each in blind)] or ["no TargetCluster matches spec.clusters"]
        return Finding(type=CONDITION, status=ConditionStatus.FALSE, reason=reason, message=_joined(said))
    if len(places) > _MOST:
        message = f"spec.clusters matches {len(places)} TargetClusters; rollouts are seen in {_MOST} at most"
        return Finding(type=CONDITION, status=ConditionStatus.FALSE, reason="TooManyTargets", message=message)
    going = run is not None and run.finished_at is None
    held = [f"{place.name}: {place.held}" for place in places if place.pending and place.held]
    faulted = [
        f"{place.name}: the template carries the mark of run {place.sight.faulted}, and counts when that is gone"
        for place in places
        if place.sight and place.sight.faulted and not going
    ]
    reason, more = ("Waiting", held) if held else ("UnderFault", faulted) if faulted else ("Watched", [])
    message = _joined([f"{workload} in {len(places)} target(s)", *more])
    return Finding(type=CONDITION, status=ConditionStatus.TRUE, reason=reason, message=message)


def _joined(messages: Sequence[str]) -> str:
    more = [f"and {len(messages) - _TOLD} more"] if len(messages) > _TOLD else []
    return "; ".join([*messages[:_TOLD], *more])[:1024]
