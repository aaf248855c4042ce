"""Several targets in one run: how many at a time, how much in all of them, and whether one stops the others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult
from firedrill.api.safety import AcrossClusters
from firedrill.api.verdict import Verdict
from firedrill.core.observed import RunContext, RunObjects

#: Why a run was ended in a target: another target has stopped all.
ELSEWHERE = "AbortedElsewhere"
#: Who undoes where the runner does not.
_LAST_RESORTS = ("guardian", "sweeper")
_STOPPED = ("Aborted", "Terminated")


def across(resource: RunResource) -> AcrossClusters:
    """What a resource says of its targets together; nothing is bounded where it says nothing."""
    return resource.spec.across_clusters if isinstance(resource.spec, ChaosExperimentSpec) else AcrossClusters()


def turn(wanted: AcrossClusters, entries: Sequence[ClusterResult], name: str) -> str:
    """Whom a target that was not begun waits for; empty where it is its turn.

    A target counts as busy from the write that names its Job until nothing is left to undo in it.
    """
    if wanted.max_concurrent is None:
        return ""
    busy = [each.name for each in entries if each.name != name and each.job and not (each.verdict and each.settled)]
    return ", ".join(busy) if len(busy) >= wanted.max_concurrent else ""


def allotment(wanted: AcrossClusters, names: Sequence[str], name: str) -> int | None:
    """How many pods may be hit in a target; None without a bound. Together it is never more than maxAffected."""
    if wanted.max_affected is None:
        return None
    each, more = divmod(wanted.max_affected, len(names))
    return each + (1 if sorted(names).index(name) < more else 0)


def breach(
    wanted: AcrossClusters, entries: Sequence[ClusterResult], objects: Mapping[str, RunObjects]
) -> ClusterResult | None:
    """The target that stops all others: it failed, was stopped, or had to be undone by its guardian."""
    if not wanted.abort_all:
        return None
    return next((each for each in entries if _breaches(each, objects.get(each.name))), None)


def _breaches(entry: ClusterResult, objects: RunObjects | None) -> bool:
    if entry.verdict in (Verdict.FAILED, Verdict.ERROR) or entry.reason in _STOPPED:
        return True
    record = objects.record.record if objects is not None and objects.record is not None else None
    return record is not None and record.undone_by in _LAST_RESORTS


def stopped_by(run: RunContext, source: ClusterResult | None, name: str) -> RunContext:
    """The run as a target sees it that another one stops."""
    if source is None or source.name == name or run.ending:
        return run
    why = f"{source.reason or 'UndoneByGuardian'} in {source.name}"
    return replace(run, ending=ELSEWHERE, ending_note=why)
