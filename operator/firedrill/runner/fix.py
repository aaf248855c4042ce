"""AutoFix: finds a rollout that can not pull its image, and takes the way back through every gate.

Found, proposed, dry-run, tried out in a sandbox, approved, applied, verified: each step ends the run where it does
not hold, and whatever has been changed by then is undone before the result is given. Only a fix that was verified
stays.
"""

import logging
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from firedrill.api.autofix import AutoFixSpec
from firedrill.api.changes import ChangeBase, ChangeState, NamespaceCreated, TemplateReplaced
from firedrill.api.record import Record
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError
from firedrill.runner.context import RunContext
from firedrill.runner.fixing import canary, undo
from firedrill.runner.fixing.context import Dial, FixContext
from firedrill.runner.fixing.events import publish
from firedrill.runner.fixing.ledger import Ended, Ledger, inconclusive
from firedrill.runner.fixing.steps import ClaimedByAnother, carry_out
from firedrill.runner.ports import Cluster
from firedrill.runner.record_store import Aborted, RecordLost
from firedrill.runner.undoing import UndoContext, Undoer, Undoing

log = logging.getLogger(__name__)

#: How the guardian undoes what a fix changes.
UNDO_TABLE: Final[Mapping[type[ChangeBase], Undoer]] = MappingProxyType(
    {NamespaceCreated: undo.NAMESPACE_CREATED, TemplateReplaced: undo.TEMPLATE_REPLACED}
)
#: Kept free before the run's deadline for the result; the guardian goes on with what is not undone by then.
RESULT_TIME: Final = timedelta(seconds=3)
#: After a signal to stop, the runner tries so long to undo.
STOPPED_LIMIT: Final = timedelta(seconds=20)


async def run(run_context: RunContext, *, dial: Dial = canary.dial, api_address: str | None = None) -> Result | None:
    """Carry out a run; None where another pod has claimed it.

    Raises InvalidInput where the spec does not parse. Whatever else is raised, what was changed has been undone
    first as far as the cluster let us.
    """
    task, identity = run_context.task, run_context.identity
    context = FixContext(
        task=task,
        spec=parse_spec(AutoFixSpec, task.spec),
        client=run_context.client,
        clock=run_context.clock,
        store=run_context.store,
        stop=run_context.stop,
        identity=identity,
        ledger=Ledger(task, run_context.clock, identity.pod),
        dial=dial,
        api_address=api_address or _api_address(run_context.client),
    )
    try:
        end = await _ended(context)
    except ClaimedByAnother as error:
        log.warning("leaving everything to another pod: %s", error)
        return None
    except Exception:
        log.exception("the run broke off; undoing what may be in place")
        await _settle(context, Ended(Verdict.ERROR, "RunnerFailed", "the runner failed"))
        raise
    end = await _settle(context, end)
    context.ledger.decided("end the run", end.verdict, f"{end.reason}: {end.message}")
    return context.ledger.result(end.verdict, end.reason, end.message)


async def _ended(context: FixContext) -> Ended:
    try:
        return await carry_out(context)
    except Ended as end:
        return end
    except Aborted as error:
        reason = str(error).partition(":")[0]
        return inconclusive(reason if reason.isalnum() else "Aborted", f"the run was ended early: {error}")
    except RecordLost as error:
        return Ended(Verdict.ERROR, "RecordLost", str(error))
    except ClusterError as error:
        log.exception("the run ends on a request that failed")
        return Ended(Verdict.ERROR, "RequestFailed", f"a request to the cluster failed: {error}")


async def _settle(context: FixContext, end: Ended) -> Ended:
    """Undo what is not to stay, and say so where it could not be seen undone."""
    if not context.ledger.claimed:
        return end
    limit = _undo_limit(context)
    undoing = Undoing(UndoContext(context.client, context.task, context.clock), context.store, UNDO_TABLE, by="runner")
    try:
        record = await undoing.run(lambda: context.clock.now() >= limit, message=f"{end.reason}: {end.message}")
    except (RecordLost, ClusterError) as error:
        log.exception("what was changed may not be undone")
        context.ledger.settled = False
        context.ledger.decided("undo", "unknown", f"the record can not be read: {error}")
        return Ended(end.verdict, end.reason, f"{end.message}; what was changed is left to the guardian: {error}")
    context.ledger.report["changes"] = [
        {"type": item.type, "name": f"{item.namespace}/{item.name}", "state": item.state, "evidence": item.evidence}
        for item in record.changes
    ]
    context.ledger.report["residues"] = record.residues
    await _say_rolled_back(context, record)
    context.ledger.settled = record.state.settled
    if record.state.settled:
        return end
    return Ended(end.verdict, end.reason, f"{end.message}; not all is seen undone yet, the guardian goes on")


def _undo_limit(context: FixContext) -> datetime:
    last = context.task.deadline - RESULT_TIME
    return min(context.clock.now() + STOPPED_LIMIT, last) if context.stop.asked else last


async def _say_rolled_back(context: FixContext, record: Record) -> None:
    ledger = context.ledger
    applied = ledger.findings.get("Applied")
    if applied is None or applied.status != "True":
        ledger.no("RolledBack", "NotApplied", "nothing was applied")
        return
    change = next(item for item in record.changes if isinstance(item, TemplateReplaced))
    if change.state is ChangeState.KEPT:
        ledger.no("RolledBack", "NotNeeded", "the fix was verified and stays")
        return
    restored = change.state is ChangeState.UNDONE and change.evidence == undo.SEEN_RESTORED
    ledger.decided("roll back", "rolled back" if restored else "left", change.evidence)
    if restored:
        ledger.yes("RolledBack", "RolledBack", change.evidence)
    else:
        ledger.no("RolledBack", "NotRestored", change.evidence)
    await publish(context, change.name, change.uid, "RolledBack", change.evidence, warning=True)


def _api_address(client: KubeClient | Cluster) -> str:
    """host:port of the API server: as pods see it, else as this client does."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if host:
        return canary.join(host, int(port))
    server = urlsplit(client.server if isinstance(client, KubeClient) else "")
    return canary.join(server.hostname or "127.0.0.1", server.port or 443)
