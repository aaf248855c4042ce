"""Applies a proposal, verifies it, and keeps it."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.changes import ChangeState, TemplateReplaced
from firedrill.api.record import Record, RecordState
from firedrill.clusters import paths
from firedrill.clusters.client import JSON_PATCH
from firedrill.clusters.errors import ApiError, Conflict, Invalid, Unreachable
from firedrill.engines.fix.gates import APPLY, ApplyCase, first_refusal
from firedrill.engines.fix.patch import apply_patch, is_ours
from firedrill.engines.fix.proposal import Proposal
from firedrill.engines.fix.verifying import Verification, VerifyWatch
from firedrill.engines.fix.views import DeploymentView, Rollout, deployment_view
from firedrill.runner.fixing.context import POLL_SECONDS, FixContext, guardian_acted
from firedrill.runner.fixing.ledger import inconclusive
from firedrill.runner.fixing.reading import read_deployment, read_rollout

log = logging.getLogger(__name__)

#: The status of a failing rollout is written all the time, and each write outdates what was read.
TRIES: Final = 20
#: Time to roll back, and to see it, beside verifyTimeout.
ROLL_BACK: Final = timedelta(seconds=20)
#: The guardian lets the runner be so long after the verification should have ended.
UNDO_SLACK: Final = timedelta(seconds=30)


def needed_time(context: FixContext) -> timedelta:
    """What must be left until the deadline when the fix is applied."""
    return context.spec.verify_timeout + ROLL_BACK


async def dry_run(context: FixContext, proposal: Proposal) -> dict[str, Any]:
    """What the API server would make of the proposal; nothing is changed.

    Raises Ended where it refuses, with its own words.
    """
    for _ in range(TRIES):
        current = await read_deployment(context)
        try:
            answer = await _patch(context, current, proposal, dry_run=True)
        except ApiError as error:
            if not await _outdated(context, current, error):
                raise inconclusive("DryRunRefused", f"the API server refuses the proposal: {error.message}") from error
        else:
            template: dict[str, Any] = answer["spec"]["template"]
            return template
        await context.pause(POLL_SECONDS / 5)
    raise inconclusive("DryRunRefused", f"the Deployment was written by others in each of {TRIES} tries")


async def apply(
    context: FixContext, found: DeploymentView, proposal: Proposal, expected: Mapping[str, Any]
) -> tuple[DeploymentView, datetime]:
    """Set the template, where the Deployment is still the one that was found and everybody lets it happen.

    ``expected`` is what the API server makes of it. Returns the Deployment, and when its change was asked for. Raises
    Ended where it may not be applied, Aborted where the operator has asked to stop.
    """
    asked = context.clock.now()
    for _ in range(TRIES):
        current = await read_rollout(context)
        if _holds(context, current.deployment, expected):
            return await _note_applied(context, current.deployment), asked  # a try whose answer was lost
        _check(context, found, current)
        # From here on a patch may be under way: an undoing has to look for it. Refused once an undoing has begun.
        await context.store.update_unless_aborted(lambda record: _begin(record, context))
        asked = context.clock.now()
        try:
            answer = await _patch(context, current.deployment, proposal)
        except Unreachable as error:
            log.warning("whether the fix was applied is to be seen: %s", error)
        except ApiError as error:
            await context.store.update(_not_begun)
            if not await _outdated(context, current.deployment, error):
                raise inconclusive("ApplyRefused", f"the API server refuses the fix: {error.message}") from error
        else:
            return await _note_applied(context, deployment_view(answer)), asked
        await context.pause(POLL_SECONDS / 5)
    raise inconclusive("ChangedMeanwhile", f"the Deployment could not be written in {TRIES} tries")


async def verify(context: FixContext, applied: DeploymentView, since: datetime) -> tuple[Verification, VerifyWatch]:
    """Wait until the rollout is complete, or the time since the change is up."""
    watch = VerifyWatch(since, context.spec.verify_timeout)
    while True:
        current = await read_deployment(context)
        now = context.clock.now()
        watch = watch.seen(current, now)
        ours = current.uid == applied.uid and _holds(context, current, applied.template)
        conclusion = watch.conclusion(ours=ours, now=now)
        if conclusion is not Verification.WAITING:
            return conclusion, watch
        await context.go_on()
        await context.pause(POLL_SECONDS)


async def keep(context: FixContext, evidence: str) -> None:
    """Let the verified fix stay. Raises Aborted or Ended where the run is being undone already."""
    await context.store.update_unless_aborted(lambda record: _kept(record, evidence))


def _holds(context: FixContext, deployment: DeploymentView, template: Mapping[str, Any]) -> bool:
    return is_ours(deployment.labels, deployment.template, context.mark, [template])


def _check(context: FixContext, found: DeploymentView, current: Rollout) -> None:
    case = ApplyCase(found, current, context.clock.now(), context.task.deadline, needed_time(context))
    refusal = first_refusal(APPLY, case)
    if refusal:
        raise inconclusive(refusal.reason, refusal.message)


async def _patch(
    context: FixContext, current: DeploymentView, proposal: Proposal, *, dry_run: bool = False
) -> dict[str, Any]:
    operations = apply_patch(current.uid, current.resource_version, current.labels, proposal.replacement, context.mark)
    path = paths.deployments(context.namespace, context.name)
    return await context.client.patch(path, operations, content_type=JSON_PATCH, dry_run=dry_run)


async def _outdated(context: FixContext, read: DeploymentView, error: ApiError) -> bool:
    """Whether a patch was refused only because somebody else has written the Deployment since it was read."""
    if not isinstance(error, Conflict | Invalid):
        return False
    return (await read_deployment(context)).resource_version != read.resource_version


def _set(record: Record, change: dict[str, Any], **fields: Any) -> Record:
    changes = [
        item.model_copy(update=change) if isinstance(item, TemplateReplaced) else item for item in record.changes
    ]
    return record.model_copy(update={"changes": changes, **fields})


def _begin(record: Record, context: FixContext) -> Record:
    if record.state is not RecordState.APPLYING:
        raise guardian_acted()
    # A runner that dies from here on must not leave an unverified fix in place until the end of a long run.
    due = context.guardian_due(context.spec.verify_timeout + UNDO_SLACK)
    return _set(record, {"state": ChangeState.APPLIED, "evidence": "a patch is under way"}, deadline=due)


def _not_begun(record: Record) -> Record:
    """The patch was refused: there is nothing to look for. An undoing that has begun looks all the same."""
    if record.state is not RecordState.APPLYING:
        return record
    return _set(record, {"state": ChangeState.PLANNED, "evidence": ""})


async def _note_applied(context: FixContext, answer: DeploymentView) -> DeploymentView:
    def applied(record: Record) -> Record:
        if record.state is not RecordState.APPLYING:
            return record  # it is being undone: that goes on, and the next look at the record says so
        evidence = f"set at resourceVersion {answer.resource_version}"
        change = {"evidence": evidence, "replacement": dict(answer.template)}
        return _set(record, change, state=RecordState.APPLIED, applied_at=context.clock.now())

    await context.store.update(applied)
    return answer


def _kept(record: Record, evidence: str) -> Record:
    if record.state is not RecordState.APPLIED:
        raise guardian_acted()
    return _set(record, {"state": ChangeState.KEPT, "evidence": evidence})
