"""Waits until a proposal is approved, refused, or too old."""

from typing import Final

from firedrill.api.autofix import Approval
from firedrill.api.base import format_time
from firedrill.api.record import Record
from firedrill.engines.fix.gates import ApprovalCase, Approved, Refusal, approval
from firedrill.engines.fix.proposal import Proposal
from firedrill.runner.fixing.applying import needed_time
from firedrill.runner.fixing.context import RESULT_TIME, FixContext
from firedrill.runner.fixing.ledger import inconclusive

POLL_SECONDS: Final = 2.0


async def approved(context: FixContext, proposal: Proposal) -> Approved:
    """Who has approved, and how; raises Ended where nobody has in time, Aborted where the operator stops it."""
    mode = context.spec.approval
    # An approval that comes too late to verify the fix, or to roll it back, is of no use.
    expires = min(context.clock.now() + context.spec.approval_timeout, context.task.deadline - needed_time(context))
    if mode is Approval.MANUAL:
        await context.store.update_unless_aborted(lambda record: _awaiting(record, proposal, context))
        context.ledger.decided(
            "ask for approval", "waiting", proposal.summary, {"proposal": proposal.hash, "until": format_time(expires)}
        )
    ignored = ""
    while True:
        control = await context.go_on()
        answer = approval(ApprovalCase(mode, proposal.hash, control, expires, context.clock.now()))
        if isinstance(answer, Approved):
            break
        if isinstance(answer, Refusal):
            context.ledger.no("Approved", answer.reason, answer.message)
            raise inconclusive(answer.reason, answer.message)
        if control.approved and control.approved != ignored:
            ignored = control.approved
            context.ledger.decided(
                "approve", "refused", f"{ignored} was approved, but the proposal is {proposal.hash}",
                asked_by=control.approved_by or "unknown",
            )  # fmt: skip
        await context.pause(POLL_SECONDS)
    if mode is Approval.MANUAL:
        await context.store.update_unless_aborted(
            lambda record: record.model_copy(update={"awaiting_approval": False, "message": ""})
        )
    return answer


def _awaiting(record: Record, proposal: Proposal, context: FixContext) -> Record:
    message = f"proposal {proposal.hash}: {proposal.summary}"[:2000]
    return record.model_copy(
        update={
            "proposal": proposal.hash,
            "awaiting_approval": True,
            "message": message,
            # Nothing of the run is in place while it waits, so the guardian may wait as well.
            "deadline": context.task.deadline - RESULT_TIME,
        }
    )
