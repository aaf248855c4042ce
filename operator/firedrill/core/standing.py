"""Kinds whose runs build something that stands on: where it stands, how it fares, and its removal.

A removal is a run like any other, in which a Job takes away what earlier ones have built. It is begun when the
resource is deleted, and for targets that are not selected any more.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from firedrill.api.meta import ANNOTATION_SETTLED
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult, RunRef, RunStatus
from firedrill.api.simulation_status import SimulationState, SimulationStatus, Standing
from firedrill.api.verdict import Verdict
from firedrill.core.observed import Observed, TargetView

REMOVAL = "Removal"
#: A removal that did not pass is tried again after this time.
RETRY_AFTER = timedelta(seconds=30)
#: A build that found no target, and what is left in one that is not selected any more, is tried again after this time.
TRY_AGAIN_AFTER = timedelta(minutes=5)
RETRY = "Retry"
_MAY_PASS = ("TargetUnreachable", "TargetGone", "NotPermitted")
_SLOS_OF_MANY = 4


def standing_of(status: RunStatus) -> list[Standing]:
    """Targets in which something stands; none for kinds that leave nothing."""
    return status.standing if isinstance(status, SimulationStatus) else []


def removes(run: RunRef) -> bool:
    """Whether a run takes away everything, because its resource goes."""
    return run.trigger.partition(":")[0] == REMOVAL


def is_removing(status: RunStatus, cluster: str) -> bool:
    """Whether the current run removes what stands in a target."""
    return any(each.name == cluster and each.removing for each in standing_of(status))


def no_longer_wanted(status: RunStatus, wanted: Sequence[str]) -> list[str]:
    """Targets in which something stands that a run with these targets has to remove."""
    return sorted(each.name for each in standing_of(status) if each.name not in wanted)


def begun(status: RunStatus, entries: Sequence[ClusterResult], removing: Sequence[str] = ()) -> RunStatus:
    """Status that knows of each target where a Job may have begun to build, and of those that are cleared."""
    if not isinstance(status, SimulationStatus):
        return status
    known = {each.name: each for each in status.standing}
    for entry in entries:
        if entry.job and entry.name not in known:
            known[entry.name] = Standing(name=entry.name, cluster_uid=entry.cluster_uid)
    marked = [each.model_copy(update={"removing": True}) if each.name in removing else each for each in known.values()]
    return status.model_copy(update={"standing": sorted(marked, key=lambda each: each.name)})


def started(status: RunStatus) -> RunStatus:
    """Status at the start of a run, before it is known what this one removes."""
    if not isinstance(status, SimulationStatus):
        return status
    return status.model_copy(
        update={"standing": [each.model_copy(update={"removing": False}) for each in status.standing]}
    )


def ended(status: RunStatus) -> RunStatus:
    """Status at the end of a run: what was seen removed does not stand any more."""
    if not isinstance(status, SimulationStatus):
        return status
    gone = {entry.name for entry in status.clusters if entry.verdict is Verdict.PASSED}
    left = [each for each in status.standing if not (each.removing and each.name in gone)]
    return summarised(status.model_copy(update={"standing": left}))


def removal_due(resource: RunResource, now: datetime) -> timedelta | None:
    """How long to wait before what stands is removed; None where nothing stands."""
    if not standing_of(resource.status):
        return None
    run = resource.status.last_run
    if run is None or run.finished_at is None or not removes(run):
        return timedelta(0)
    return max(timedelta(0), run.finished_at + RETRY_AFTER - now)


def in_place(status: RunStatus, view: TargetView | None) -> TargetView | None:
    """The target; out of reach where its TargetCluster leads elsewhere than to where something stands."""
    if view is None or not view.reachable:
        return view
    known = next((each for each in standing_of(status) if each.name == view.target.name), None)
    if known is None or _in_sight(view, known):
        return view
    return view.elsewhere(f"another cluster ({view.cluster_uid}) than the one that it stands in ({known.cluster_uid})")


def retry_due(resource: RunResource, now: datetime) -> timedelta | None:
    """How long to wait before what the last run could not begin, or not take away, is tried again; None for nothing."""
    status, run = resource.status, resource.status.last_run
    if not resource.kind.stands or run is None or run.finished_at is None or removes(run):
        return None
    never_begun = not status.clusters or any(entry.reason in _MAY_PASS and not entry.job for entry in status.clusters)
    if not never_begun and not any(each.removing for each in standing_of(status)):
        return None
    return max(timedelta(0), run.finished_at + TRY_AGAIN_AFTER - now)


def seen_to_by_hand(observed: Observed) -> RunStatus | None:
    """Status without the targets out of sight of which a person says, by name, that nothing is left there."""
    status = observed.resource.status
    named = observed.resource.meta.annotations.get(ANNOTATION_SETTLED, "").split(",")
    if not isinstance(status, SimulationStatus):
        return None
    left = [s for s in status.standing if s.name not in named or _in_sight(observed.targets.get(s.name), s)]
    return None if left == status.standing else status.model_copy(update={"standing": left})


def _in_sight(view: TargetView | None, standing: Standing) -> bool:
    return view is not None and view.reachable and standing.cluster_uid in ("", view.cluster_uid)


def seen(status: RunStatus, targets: Mapping[str, TargetView]) -> RunStatus:
    """Status with what the targets tell of what stands in them."""
    if not isinstance(status, SimulationStatus):
        return status
    standing = [_with_state(each, targets.get(each.name), len(status.standing)) for each in status.standing]
    return summarised(status.model_copy(update={"standing": standing}))


def _with_state(standing: Standing, view: TargetView | None, count: int) -> Standing:
    if view is None or not _in_sight(view, standing):
        return standing.model_copy(update={"out_of_sight": True})
    standing = standing.model_copy(update={"out_of_sight": False})
    state = next((objects.state for objects in view.runs.values() if objects.state is not None), None)
    if state is None:
        return standing
    if count > _SLOS_OF_MANY:
        worst = sorted(state.slos, key=lambda slo: slo.budget_left if slo.budget_left is not None else 1.0)
        state = state.model_copy(update={"slos": worst[:_SLOS_OF_MANY]})
    return standing.model_copy(update={"state": state})


def summarised(status: SimulationStatus) -> SimulationStatus:
    """Status with the columns that people see first, over all targets."""
    states = [each.state for each in status.standing if each.state is not None and not each.out_of_sight]
    return status.model_copy(update=_columns(states))


def _columns(states: Sequence[SimulationState]) -> dict[str, str]:
    if not states:
        return {"services": "", "rate": "", "slos": "", "budget_left": ""}
    rates = [state.rate for state in states if state.rate is not None]
    slos = [slo for state in states for slo in state.slos]
    budgets = [slo.budget_left for slo in slos if slo.budget_left is not None]
    return {
        "services": f"{sum(s.services.ready for s in states)}/{sum(s.services.wanted for s in states)}",
        "rate": f"{sum(rates):.1f}/s" if rates else "",
        "slos": f"{sum(slo.met is True for slo in slos)}/{len(slos)}" if slos else "",
        "budget_left": f"{100 * min(budgets):.0f}%" if budgets else "",
    }
