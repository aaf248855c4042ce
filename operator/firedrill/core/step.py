"""The step: from what is observed to what is done next. No clock, no network, no state of its own.

A run is begun by a status write that names it, carried on from that status alone, and ended by a status write
that holds the verdict. A crash between any two writes is mended by looking again.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from firedrill.api.autofix import Approval, AutoFixSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.meta import FINALIZER
from firedrill.api.resource import RunResource
from firedrill.api.run import ClusterResult, ConcurrencyPolicy, RunRef, RunSpec, RunStatus
from firedrill.api.verdict import ConditionStatus, Finding, Verdict
from firedrill.core import naming, rollouts, standing
from firedrill.core.across import across, allotment, breach, stopped_by, turn
from firedrill.core.actions import (
    Action,
    AddFinalizer,
    Decision,
    DeleteRun,
    EnsureRun,
    PublishEvent,
    RemoveFinalizer,
    WriteStatus,
)
from firedrill.core.case import Case
from firedrill.core.observed import NOTHING, Observed, RunContext, RunObjects, TargetView
from firedrill.core.opt_outs import told_opt_outs
from firedrill.core.outcome import judge
from firedrill.core.progress import advance, intend, settle
from firedrill.core.reacting import told_reactions, without_reacted
from firedrill.core.refusal import refusal
from firedrill.core.schedule import Trigger, check_schedule, due_trigger, next_fire
from firedrill.core.summary import finish, fit, kind_findings, ran_generation, set_conditions
from firedrill.core.targets import matched, missing_names
from firedrill.core.waiting import POLL, handled, hold_back, refuse, wait

#: A removal whose resource can not be read any more may take this long.
_REMOVAL_LIMIT = timedelta(minutes=10)


def step(observed: Observed, now: datetime) -> Decision:
    """What to do next for a resource."""
    before = observed.resource.status
    noticed = rollouts.noticed(observed, now)
    decision = _decide(replace(observed, resource=replace(observed.resource, status=noticed)), now)
    if noticed == before:
        return decision
    told = rollouts.told(before, noticed)
    if any(isinstance(action, WriteStatus) for action in decision.actions):
        # It is in there: every status is made from the one before.
        return replace(decision, actions=(*decision.actions, *told))
    return replace(decision, actions=(WriteStatus(noticed), *decision.actions, *told))


def _decide(observed: Observed, now: datetime) -> Decision:
    resource = observed.resource
    run = resource.status.last_run
    if run is not None and run.finished_at is None:
        return _carry_on(observed, run, now)
    settled = settle(observed, now)
    if settled is not None:
        return settled
    by_hand = standing.seen_to_by_hand(observed)
    if by_hand is not None:
        return Decision((WriteStatus(by_hand),), timedelta(0))
    if resource.meta.deleting:
        wait_for = standing.removal_due(resource, now)
        if wait_for is not None:
            return _remove(observed, now) if not wait_for else Decision(look_again=wait_for)
        return Decision((RemoveFinalizer(),) if FINALIZER in resource.meta.finalizers else ())
    if FINALIZER in resource.meta.finalizers and not standing.standing_of(resource.status):
        return Decision((RemoveFinalizer(),), look_again=timedelta(0))
    seen = standing.seen(resource.status, observed.targets)
    if seen != resource.status:
        return Decision((WriteStatus(seen),), timedelta(0))
    return _idle(observed, now)


def _remove(observed: Observed, now: datetime) -> Decision:
    status = observed.resource.status
    attempt = status.last_run.id if status.last_run else "first"
    targets = [each.name for each in standing.standing_of(status)]
    return _begin(observed, Trigger(standing.REMOVAL, attempt), targets, targets, now)


def _idle(observed: Observed, now: datetime) -> Decision:
    resource = observed.resource
    spec = resource.spec
    try:
        if spec is None:
            raise InvalidInput(resource.invalid)
        check_schedule(spec, now)
        trigger = due_trigger(resource, spec, now) or rollouts.trigger(observed, now)
    except InvalidInput as error:
        return refuse(resource, str(error), now)
    again = None if spec.suspend else standing.retry_due(resource, now)
    if trigger is None and again == timedelta(0):
        trigger = Trigger(standing.RETRY, resource.status.last_run.id if resource.status.last_run else "")
    if trigger is None:
        waiting = wait(resource, spec, now)
        soonest = [each for each in (again, rollouts.look_again(observed, now), waiting.look_again) if each is not None]
        return replace(waiting, look_again=min(soonest, default=None))
    if observed.halted and resource.kind.changes:
        return hold_back(resource, f"halted: {observed.halted}", now)
    return _start(observed, spec, trigger, now)


def _start(observed: Observed, spec: RunSpec, trigger: Trigger, now: datetime) -> Decision:
    wanted = names = matched(spec.clusters, observed.targets)
    absent = missing_names(spec.clusters, observed.targets)
    if trigger.targets is not None:
        # It concerns these alone, and they are there.
        names, absent = [name for name in wanted if name in trigger.targets], []
    if not names or absent:
        what = f"no TargetCluster is named {', '.join(absent)}" if absent else "no TargetCluster matches spec.clusters"
        run, begun = _opened(observed, trigger, now)
        ended = finish(replace(observed.resource, status=begun), (), run, "NoTargets", now, message=what)
        return Decision((WriteStatus(ended), PublishEvent("NoTargets", what, warning=True)), timedelta(0))
    leaving = standing.no_longer_wanted(observed.resource.status, wanted)
    return _begin(observed, trigger, [*names, *leaving], leaving, now)


def _opened(observed: Observed, trigger: Trigger, now: datetime) -> tuple[RunRef, RunStatus]:
    """A new run, and the status that names it."""
    resource = observed.resource
    meta, spec = resource.meta, resource.spec
    previous = resource.status.last_run.id if resource.status.last_run else ""
    run = RunRef(
        id=naming.run_id(meta.uid, f"{trigger.text}|{previous}"),
        trigger=trigger.text[:128],
        requested_by=observed.requester.user[:256] if observed.requester else "",
        generation=meta.generation,
        started_at=now,
        deadline=now + (run_limit(spec) if spec else _REMOVAL_LIMIT),
    )
    following = next_fire(spec.schedule, spec.time_zone, now) if spec and spec.schedule else None
    begun = standing.started(resource.status).model_copy(
        update={
            **handled(resource),
            "last_run": run,
            "next_run": following,
            "observed_generation": meta.generation,
        }
    )
    return run, begun


def _begin(
    observed: Observed, trigger: Trigger, names: Sequence[str], removing: Sequence[str], now: datetime
) -> Decision:
    """Begin a run in these targets; in some of them to take away what stands there."""
    resource = observed.resource
    kind, meta = resource.kind, resource.meta
    run, begun = _opened(observed, trigger, now)
    clusters: list[ClusterResult] = []
    for name in names:
        # What the policy refuses is never attempted; the chain of policies says why.
        view = standing.in_place(resource.status, observed.targets.get(name))
        ready = (
            view is not None
            and view.reachable
            and (name in removing or not refusal(resource, view, now, observed.requester))
        )
        ready = ready and not turn(across(resource), clusters, name)
        entry = ClusterResult(name=name, message="running" if ready else "")
        job = naming.job_name(kind.name, meta.name, meta.uid, run.id, name)
        clusters.append(intend(entry, view, job, mutates=kind.mutates) if ready and view else entry)
    names = [entry.name for entry in clusters if entry.job]
    begun = rollouts.begun(resource, without_reacted(begun), names)
    begun = standing.begun(begun, clusters, removing).model_copy(
        update={
            "clusters": clusters,
            "verdict": None,
            "score": None,
            "message": "running",
            "cluster_summary": f"0/{len(clusters)}",
            "report": "",
        }
    )
    begun = set_conditions(
        begun,
        [
            Finding(type="Complete", status=ConditionStatus.FALSE, reason="Running", message=f"run {run.id} goes on"),
            Finding(type="Passed", status=ConditionStatus.UNKNOWN, reason="Running", message=f"run {run.id} goes on"),
            *(Finding(type=name, status=ConditionStatus.UNKNOWN, reason="Running") for name in kind.conditions),
        ],
        meta.generation,
        now,
    )
    keep: tuple[Action, ...] = (AddFinalizer(),) if kind.changes else ()
    return Decision((*keep, WriteStatus(begun), *told_opt_outs(resource, clusters)), timedelta(0))


def run_limit(spec: RunSpec) -> timedelta:
    """How long a run may take: its timeout, and the time that a person has to approve."""
    if isinstance(spec, AutoFixSpec) and spec.approval is Approval.MANUAL:
        return spec.timeout + spec.approval_timeout
    return spec.timeout


def _ending(observed: Observed, now: datetime) -> str:
    """Why the run that goes on has to end early, or nothing."""
    resource = observed.resource
    run = resource.status.last_run
    if run is not None and standing.removes(run):
        return ""
    if resource.meta.deleting:
        return "Deleted"
    if naming.spec_hash(resource.raw_spec) != resource.status.handled_spec:
        return "Superseded"
    if observed.halted and resource.kind.changes:
        return "Halted"
    spec = resource.spec
    if spec is not None and spec.concurrency_policy is ConcurrencyPolicy.REPLACE:
        try:
            return "Replaced" if due_trigger(resource, spec, now) or rollouts.replaces(observed, now) else ""
        except InvalidInput:
            # A schedule that became unreadable is told once this run has ended.
            return ""
    return ""


def _carry_on(observed: Observed, run: RunRef, now: datetime) -> Decision:
    resource, status = observed.resource, observed.resource.status
    deadline = run.deadline or run.started_at + (run_limit(resource.spec) if resource.spec else timedelta(minutes=10))
    ending = _ending(observed, now)
    note = observed.halted[:512] if ending == "Halted" else ""
    context = RunContext(run.id, run.started_at, deadline, resource.kind.mutates, ending, note)
    clusters: list[ClusterResult] = list(status.clusters)
    actions: list[Action] = []
    seen = {each.name: _objects(observed, context, each)[2] for each in status.clusters}
    for place, known in enumerate(status.clusters):
        if known.verdict is not None:
            continue
        source = breach(across(resource), clusters, seen)
        case = _case(observed, stopped_by(context, source, known.name), known, clusters, now)
        judgement = judge(case)
        entry, wanted = advance(case, judgement, ran_generation(resource), now)
        clusters[place] = entry
        actions += _only_intended(known, wanted)
    counted = rollouts.counted(resource, status, clusters)
    if all(entry.verdict is not None for entry in clusters):
        cut_short = any(entry.reason == context.ending for entry in clusters)
        built = replace(resource, status=standing.begun(counted, clusters))
        ended = standing.ended(finish(built, clusters, run, context.ending if cut_short else "", now))
        told = PublishEvent(
            ended.verdict.value if ended.verdict else "Ended",
            ended.message,
            warning=ended.verdict is not Verdict.PASSED,
        )
        cleanup = [a for a in actions if isinstance(a, DeleteRun)]
        others = [a for a in actions if not isinstance(a, DeleteRun)]
        return Decision((*others, *cleanup, WriteStatus(ended), told, *told_reactions(clusters)), timedelta(0))
    going = standing.seen(_progress_status(counted, clusters, resource, now), observed.targets)
    writes: tuple[Action, ...] = (WriteStatus(going),) if going != status else ()
    return Decision((*writes, *actions), min(POLL, max(context.deadline - now, timedelta(seconds=1))))


def _only_intended(known: ClusterResult, wanted: tuple[Action, ...]) -> tuple[Action, ...]:
    """Creation waits until status names the Job: what may exist must be known before it does."""
    if known.job:
        return wanted
    return tuple(action for action in wanted if not isinstance(action, EnsureRun))


def _objects(
    observed: Observed, context: RunContext, known: ClusterResult
) -> tuple[str, TargetView | None, RunObjects]:
    """Name of the run's Job in a target, the target, and what is seen of the run there."""
    meta = observed.resource.meta
    job = naming.job_name(observed.resource.kind.name, meta.name, meta.uid, context.run_id, known.name)
    view = standing.in_place(observed.resource.status, observed.view_of(known))
    return job, view, view.runs.get(job, NOTHING) if view else NOTHING


def _case(
    observed: Observed, context: RunContext, known: ClusterResult, entries: Sequence[ClusterResult], now: datetime
) -> Case:
    resource = observed.resource
    job, view, objects = _objects(observed, context, known)
    together = across(resource)
    return Case(
        resource=resource,
        run=context,
        known=known,
        job=job,
        view=view,
        objects=objects,
        now=now,
        removing=standing.is_removing(resource.status, known.name),
        requester=observed.requester,
        waits_for=turn(together, entries, known.name),
        allotment=allotment(together, [each.name for each in entries], known.name),
    )


def _progress_status(
    status: RunStatus, clusters: list[ClusterResult], resource: RunResource, now: datetime
) -> RunStatus:
    notes = sorted({c.message for c in clusters if c.verdict is None and c.message})
    going = standing.begun(status, clusters).model_copy(
        update={"clusters": clusters, "message": "; ".join(notes)[:1024] or status.message}
    )
    found = [f for c in clusters for f in c.findings]
    if found:
        going = set_conditions(going, kind_findings(resource.kind, clusters), ran_generation(resource), now)
    return fit(going)
