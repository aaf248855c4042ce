"""Whether a simulation that is ready lives: load is answered, every service is called, ledgers add up."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from firedrill.api.verdict import Measurement
from firedrill.runner.ports import Clock
from firedrill.simulation.plan import Plan
from firedrill.sources.errors import SourceError
from firedrill.sources.prometheus import Prometheus

log = logging.getLogger(__name__)

#: Fewer requests say nothing of the success rate that is asked for.
MIN_REQUESTS: Final = 100
MIN_SUCCESS: Final = 0.95
_POLL_SECONDS: Final = 3.0
_LEDGER: Final = "ledger"


@dataclass(frozen=True)
class Life:
    """What was seen; ``failed`` and ``undecided`` are reasons, or empty."""

    measurements: Sequence[Measurement]
    message: str
    failed: str = ""
    undecided: str = ""


@dataclass(frozen=True)
class Counts:
    """Requests that the load generator has sent, and those answered well; the sum of all ledger entries in cents."""

    sent: float = 0.0
    good: float = 0.0
    imbalance: float | None = None

    def since(self, before: "Counts") -> "Counts":
        """What came on top; a generator that began anew counts from zero."""
        if self.sent < before.sent:
            return self
        return Counts(self.sent - before.sent, self.good - before.good, self.imbalance)


async def see_life(server: Prometheus, plan: Plan, clock: Clock, until: datetime, *, healthy: bool) -> Life:
    """Wait for enough requests from now on, but no longer than ``until``.

    Where inner faults are on nothing is judged: it would be their doing.
    """
    if not plan.graph.entries:
        return Life((), "no load is asked for")
    if not healthy:
        return Life((), "inner faults are on, so its life is not judged")
    ledger = any(service.role == "reconcile" for service in plan.graph.services)
    before: Counts | None = None
    counts, problem = Counts(), ""
    while True:
        try:
            seen, problem = await _counts(server), ""
            before = before or seen
            counts = seen.since(before)
        except SourceError as error:
            problem = str(error)
        enough = counts.sent >= MIN_REQUESTS and (counts.imbalance is not None or not ledger)
        if enough or clock.now() > until:
            return judge(counts, ledger=ledger, problem=problem)
        await clock.sleep(_POLL_SECONDS)


async def _counts(server: Prometheus) -> Counts:
    sent = await server.value("sum(load_requests_total)")
    good = await server.value('sum(load_requests_total{code=~"[23].."})')
    imbalance = await server.value("max(abs(ledger_imbalance_cents))")
    return Counts(sent or 0.0, good or 0.0, imbalance)


def judge(counts: Counts, *, ledger: bool, problem: str = "") -> Life:
    """What the counts say."""
    if counts.sent < MIN_REQUESTS:
        told = problem or f"only {counts.sent:.0f} requests were counted, fewer than {MIN_REQUESTS}"
        return Life((), told, undecided="TooFewRequests")
    share = counts.good / counts.sent
    answered = Measurement(
        name="requests answered",
        value=round(share, 4),
        unit="ratio",
        limit=f">= {MIN_SUCCESS:g}",
        passed=share >= MIN_SUCCESS,
        detail=f"{counts.good:.0f} of {counts.sent:.0f} requests of the load generator",
    )
    message = f"{100 * share:.1f}% of {counts.sent:.0f} requests answered"
    if not ledger:
        return Life([answered], message, failed="" if answered.passed else "RequestsFail")
    if counts.imbalance is None:
        return Life([answered], f"{message}; the ledger was not reconciled in time", undecided="NotReconciled")
    balance = Measurement(
        name="ledger imbalance",
        value=counts.imbalance,
        unit="cents",
        limit="= 0",
        passed=counts.imbalance == 0,
        detail="sum of all entries, and of all balances against the opening ones",
    )
    failed = "RequestsFail" if not answered.passed else "" if balance.passed else "LedgerImbalance"
    return Life([answered, balance], f"{message}; ledger off by {counts.imbalance:.0f} cents", failed=failed)
