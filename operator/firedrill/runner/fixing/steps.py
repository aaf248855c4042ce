"""The steps of a fix in their order. Each returns what the next one needs, or ends the run."""

from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.changes import NamespaceCreated, TemplateReplaced
from firedrill.api.meta import FIELD_MANAGER
from firedrill.api.record import Record
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.clusters.errors import NotFound
from firedrill.engines.fix.finding import Diagnosis, Look, Watch, look
from firedrill.engines.fix.gates import PERMISSION, SANDBOX_PREFIX, Permission, first_refusal
from firedrill.engines.fix.isolation import refusals
from firedrill.engines.fix.proposal import Proposal, no_revision_message, propose
from firedrill.engines.fix.tryout import TryOut
from firedrill.engines.fix.verifying import Verification, VerifyWatch, counts
from firedrill.engines.fix.views import DeploymentView, Rollout
from firedrill.runner.fixing import applying, sandbox
from firedrill.runner.fixing.approving import approved
from firedrill.runner.fixing.arming import wait_until_armed
from firedrill.runner.fixing.canary import choose_targets
from firedrill.runner.fixing.context import FixContext
from firedrill.runner.fixing.events import publish
from firedrill.runner.fixing.ledger import Ended, inconclusive
from firedrill.runner.fixing.reading import read, read_rollout
from firedrill.runner.record_store import Aborted, Refused

#: A rollout that is just starting gets this long to become healthy, or to show what is wrong.
OBSERVE: Final = timedelta(seconds=60)
OBSERVE_POLL_SECONDS: Final = 2.0


class ClaimedByAnother(Exception):
    """Another pod carries this run out; this one leaves no trace, not even a result."""


async def carry_out(context: FixContext) -> Ended:
    """All steps; returns the end of a run that went well, and raises every other."""
    await check_permission(context)
    rollout, seen = await find(context)
    if seen.diagnosis is not Diagnosis.IMAGE_NOT_PULLED:
        return nothing_to_propose(context, rollout, seen)
    proposal = make_proposal(context, rollout, seen)
    uid, note = rollout.deployment.uid, f"{proposal.hash}: {proposal.summary}"
    await publish(context, context.name, uid, "Proposed", note)
    check_sandbox_possible(context, proposal)
    expected = await applying.dry_run(context, proposal)
    context.ledger.decided("dry run", "accepted", "the API server would accept the proposal")
    await prove(context, rollout, proposal, expected)
    await pass_approval(context, proposal)
    applied, asked = await apply(context, rollout.deployment, proposal, expected)
    return await verify(context, rollout, applied, asked, proposal)


async def check_permission(context: FixContext) -> None:
    """Gate: the policy of the target and the namespace itself let it be touched."""
    try:
        namespace = await read(context, paths.namespaces(context.namespace))
    except NotFound:
        raise inconclusive("DeploymentNotFound", f"namespace {context.namespace} does not exist") from None
    labels = namespace["metadata"].get("labels") or {}
    given = Permission(context.task, context.namespace, labels)
    refusal = first_refusal(PERMISSION, given)
    evidence = {"namespace": context.namespace, "labels": labels, "policy": context.task.policy.to_wire()}
    if refusal:
        context.ledger.decided("touch the namespace", "refused", refusal.message, evidence)
        raise inconclusive(refusal.reason, refusal.message)
    context.ledger.decided("touch the namespace", "allowed", "policy and opt-in label allow it", evidence)


async def find(context: FixContext) -> tuple[Rollout, Look]:
    """Look until the rollout is healthy, shows what is wrong, or had its time."""
    watch = Watch(context.clock.now())
    while True:
        try:
            rollout = await read_rollout(context)
        except NotFound:
            raise inconclusive(
                "DeploymentNotFound", f"Deployment {context.namespace}/{context.name} does not exist"
            ) from None
        now = context.clock.now()
        watch = watch.seen(look(rollout), now)
        conclusion = watch.conclusion(now, OBSERVE)
        if conclusion is not None:
            break
        if context.stop.asked:
            raise Aborted(context.stop.reason)
        if now >= context.task.deadline:
            raise inconclusive("Timeout", "the deadline of the run has come while the rollout was looked at")
        await context.pause(OBSERVE_POLL_SECONDS)
    evidence = [item.to_wire() for item in conclusion.evidence]
    context.ledger.decided("look at the rollout", conclusion.diagnosis, conclusion.message, {"pods": evidence[:10]})
    context.ledger.report["finding"] = {
        "diagnosis": conclusion.diagnosis,
        "message": conclusion.message,
        "evidence": evidence[:20],
        "revisions": [
            {"name": item.name, "revision": item.revision, "replicas": item.replicas, "ready": item.ready}
            for item in rollout.revisions
        ],
    }
    return rollout, conclusion


def nothing_to_propose(context: FixContext, rollout: Rollout, seen: Look) -> Ended:
    """The end of a run that has found nothing that it could mend."""
    context.ledger.no("Proposed", seen.diagnosis, seen.message)
    deployment = rollout.deployment
    healthy = seen.diagnosis is Diagnosis.NOTHING_TO_FIX
    if healthy:
        context.ledger.measured(
            "replicas available", deployment.available, "count", limit=f">= {deployment.desired}", passed=True
        )
    return Ended(Verdict.PASSED if healthy else Verdict.INCONCLUSIVE, seen.diagnosis, seen.message)


def make_proposal(context: FixContext, rollout: Rollout, seen: Look) -> Proposal:
    """Gate: there is a revision to go back to."""
    context.ledger.measured("replicas available before", rollout.deployment.available, "count")
    proposal = propose(rollout, seen.evidence)
    if proposal is None:
        message = no_revision_message(rollout, seen.evidence)
        context.ledger.no("Proposed", "NoHealthyRevision", message)
        context.ledger.decided("propose", "refused", message, {"finding": seen.message})
        raise inconclusive("NoHealthyRevision", message)
    context.ledger.yes("Proposed", "BackToRevision", proposal.summary)
    context.ledger.report["proposal"] = proposal.to_wire()
    evidence = {"proposal": proposal.hash, "finding": seen.message}
    context.ledger.decided("propose", "proposed", proposal.summary, evidence)
    return proposal


def check_sandbox_possible(context: FixContext, proposal: Proposal) -> None:
    """Gate: the template can be tried out in isolation."""
    refused = refusals(proposal.replacement)
    if refused:
        message = "the proposal can not be tried out in isolation: " + "; ".join(refused)
        context.ledger.decided("sandbox", "refused", message)
        context.ledger.no("SandboxVerified", "SandboxNotPossible", message)
        raise inconclusive("SandboxNotPossible", message[:1000])


async def prove(context: FixContext, rollout: Rollout, proposal: Proposal, expected: dict[str, Any]) -> None:
    """Gate: the proposal becomes ready, cut off from everything. The sandbox is gone when this returns."""
    originals = await sandbox.read_config_maps(context, proposal.replacement)
    targets = await choose_targets(context, rollout)
    change = NamespaceCreated(namespace="", name=f"{SANDBOX_PREFIX}{context.task.run_id}")
    await claim(context, rollout.deployment, proposal, expected, change)
    await wait_until_armed(context)
    plan = sandbox.plan_of(context, change.name, proposal, targets)
    await sandbox.build(context, plan, originals)
    state, seen, ready_after = await sandbox.try_out(context, plan)
    evidence = {"state": state, "seen": seen.message, "attempts": [vars(item) for item in seen.attempts]}
    context.ledger.report["sandbox"] = {"namespace": change.name, **evidence}
    if state is not TryOut.NOT_POSSIBLE and state is not TryOut.NOT_ISOLATED:
        limit = context.spec.sandbox_timeout.total_seconds()
        context.ledger.measured(
            "sandbox ready after", ready_after, "s", limit=f"<= {limit:g}", passed=state is TryOut.READY,
            detail=f"1 pod, isolation proven against {len(seen.attempts)} addresses",
        )  # fmt: skip
    context.ledger.decided("try out in the sandbox", state, seen.message, evidence)
    _judge_try_out(context, state, seen.message)
    await sandbox.remove(context, change)
    context.ledger.decided("delete the sandbox", "gone", f"namespace {change.name} was seen to be gone")


def _judge_try_out(context: FixContext, state: TryOut, message: str) -> None:
    ledger = context.ledger
    if state is TryOut.READY:
        ledger.yes("SandboxVerified", "Ready", "the proposal became ready, cut off from everything")
        return
    if state is TryOut.FAILED:
        ledger.no("SandboxVerified", "SandboxFailed", message)
        limit = context.spec.sandbox_timeout.total_seconds()
        raise Ended(
            Verdict.FAILED, "SandboxFailed",
            f"the proposal did not become ready in the sandbox within {limit:g} s, nothing was applied: {message}",
        )  # fmt: skip
    reason = "SandboxNotIsolated" if state is TryOut.NOT_ISOLATED else "SandboxNotPossible"
    ledger.no("SandboxVerified", reason, message)
    raise inconclusive(reason, f"{message}; nothing was applied")


async def claim(
    context: FixContext,
    deployment: DeploymentView,
    proposal: Proposal,
    expected: dict[str, Any],
    namespace: NamespaceCreated,
) -> None:
    """Record what is going to be changed, and that nobody but this pod may do it."""
    task = context.task
    template = TemplateReplaced(
        namespace=deployment.namespace,
        name=deployment.name,
        uid=deployment.uid,
        original=dict(proposal.original),
        replacement=expected,
        proposal=proposal.hash,
    )
    record = Record(
        uid=task.uid,
        run_id=task.run_id,
        cluster=task.cluster,
        kind=task.kind,
        claim=context.identity.uid,
        deadline=task.deadline,
        changes=[namespace, template],
    )
    answer = await context.store.claim(record)
    if isinstance(answer, Refused):
        if answer.claim and answer.claim != context.identity.uid:
            raise ClaimedByAnother(f"pod {answer.claim} has claimed the run")
        context.ledger.decided("claim the record", "refused", answer.abort or "the run was cancelled")
        word = answer.abort.partition(":")[0] or "Cancelled"
        raise inconclusive(word, f"the run was cancelled before anything was changed: {answer.abort or word}")
    context.ledger.claimed = True
    context.ledger.decided("claim the record", "claimed", "nothing has been changed before", {"manager": FIELD_MANAGER})


async def pass_approval(context: FixContext, proposal: Proposal) -> None:
    """Gate: somebody lets this very proposal be applied."""
    answer = await approved(context, proposal)
    context.ledger.yes("Approved", answer.reason, f"{proposal.hash} approved by {answer.by}")
    context.ledger.decided("approve", "approved", answer.reason, {"proposal": proposal.hash}, asked_by=answer.by)


async def apply(
    context: FixContext, found: DeploymentView, proposal: Proposal, expected: dict[str, Any]
) -> tuple[DeploymentView, datetime]:
    """Gate and change: the Deployment is as it was found; its template is replaced."""
    try:
        applied, asked = await applying.apply(context, found, proposal, expected)
    except Ended as end:
        context.ledger.no("Applied", end.reason, end.message)
        context.ledger.decided("apply", "refused", end.message, {"proposal": proposal.hash})
        raise
    context.ledger.yes("Applied", "TemplateReplaced", proposal.summary)
    evidence = {"proposal": proposal.hash, "uid": applied.uid, "resourceVersion": applied.resource_version}
    context.ledger.decided("apply", "applied", f"every gate was passed: {proposal.summary}", evidence)
    await publish(context, applied.name, applied.uid, "Applied", f"{proposal.hash}: {proposal.summary}")
    return applied, asked


async def verify(
    context: FixContext, before: Rollout, applied: DeploymentView, asked: datetime, proposal: Proposal
) -> Ended:
    """The rollout is complete in time, and the fix stays; else the run ends, and the fix is rolled back."""
    conclusion, watch = await applying.verify(context, applied, asked)
    last = watch.last or applied
    _measure(context, conclusion, watch, last)
    evidence = {"before": before.deployment.available, "counts": counts(last)}
    context.ledger.decided("verify", conclusion, counts(last), evidence)
    limit = context.spec.verify_timeout.total_seconds()
    if conclusion is Verification.TOO_LATE:
        context.ledger.no("Verified", "RolloutNotComplete", counts(last))
        raise Ended(
            Verdict.FAILED, "RolledBack",
            f"the rollout was not complete within {limit:g} s ({counts(last)}), and the fix was rolled back",
        )  # fmt: skip
    if conclusion is Verification.OVERTAKEN:
        message = "somebody else has changed the Deployment while the fix was verified; what they set is left"
        context.ledger.no("Verified", "ChangedMeanwhile", message)
        raise inconclusive("ChangedMeanwhile", message)
    await applying.keep(context, f"verified: {counts(last)}")
    context.ledger.yes("Verified", "RolloutComplete", counts(last))
    await publish(context, applied.name, applied.uid, "Verified", f"{proposal.hash}: {counts(last)}")
    after = watch.complete_after or 0.0
    return Ended(
        Verdict.PASSED, "FixVerified",
        f"{proposal.summary}; the rollout was complete after {after:.1f} s (limit {limit:g} s), "
        f"{last.available} of {last.desired} replicas are available",
    )  # fmt: skip


def _measure(context: FixContext, conclusion: Verification, watch: VerifyWatch, last: DeploymentView) -> None:
    complete = conclusion is Verification.COMPLETE
    limit = f"<= {context.spec.verify_timeout.total_seconds():g}"
    context.ledger.measured("rollout complete after", watch.complete_after, "s", limit=limit, passed=complete)
    enough = last.available >= last.desired
    context.ledger.measured(
        "replicas available after", last.available, "count", limit=f">= {last.desired}", passed=enough
    )
