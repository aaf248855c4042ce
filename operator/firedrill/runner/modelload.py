"""The load of a validation: the model is sent its requests, and its baseline at the same time or afterwards."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.baseline import BaselineMode
from firedrill.api.endpoint import ModelEndpoint
from firedrill.api.modelvalidation import ModelValidationSpec
from firedrill.engines.model import Outcome, Planned, Readiness, RequestLog, RequestRecord, Tried, model_first, plans
from firedrill.runner.disturbing import disturb
from firedrill.runner.reaching import reached
from firedrill.runner.sourced import Clock
from firedrill.sources.context import SourceContext
from firedrill.sources.openloop import Run, drive
from firedrill.sources.serving.port import Ready, ReadyState, Reply, ServedModel
from firedrill.sources.serving.rows import Rows
from firedrill.sources.turns import Turns

#: Time that is kept before the deadline for the evaluation and for writing the result.
CLOSING_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Loaded:
    """What became of all requests. ``baseline`` is None where it was not asked, for want of one or of the model."""

    model: RequestLog
    baseline: RequestLog | None = None
    tried: Sequence[Tried] = ()


@dataclass(frozen=True)
class _Target:
    """A model that is ready, with the body of every row: made beforehand, so that the load does not wait for them."""

    model: ServedModel
    bodies: Sequence[bytes]
    timeout: float
    said: str
    facts: dict[str, str]


class Loads:
    """Sends the rows of a spec until ``deadline``; ``queries`` are those that the rows of a ranking belong to."""

    def __init__(
        self,
        spec: ModelValidationSpec,
        rows: Rows,
        sources: SourceContext,
        deadline: datetime,
        clock: Clock,
        queries: Sequence[str] = (),
    ) -> None:
        self._spec, self._rows, self._sources, self._queries = spec, rows, sources, queries
        self._deadline, self._clock = deadline, clock

    async def run(self) -> Loaded:
        """Send everything. Raises SourceError where a model can not be spoken to as the spec says.

        Both models are asked whether they are ready before a load that goes to both. Where the baseline is not, the
        model gets its own requests alone: its limits are judged, and the comparison stays open.
        """
        spec, baseline = self._spec, self._spec.baseline
        mine, others = plans(len(self._rows.features), spec.load, baseline, self._queries)
        other: RequestLog | None = None
        async with AsyncExitStack() as stack:
            model = await self._opened(stack, spec.endpoint, "spec.endpoint")
            if isinstance(model, RequestLog):
                return Loaded(model)
            if baseline is None or baseline.mode is BaselineMode.AFTER:
                log = await self._sent(model, mine)
            else:
                beside = await self._opened(stack, baseline.endpoint, "spec.baseline.endpoint")
                if isinstance(beside, RequestLog):
                    log, other = await self._sent(model, mine), beside
                else:
                    turns = Turns(model_first(spec.load)) if baseline.mode is BaselineMode.SHADOW else None
                    log, other = await asyncio.gather(
                        self._sent(model, mine, turns), self._sent(beside, others, turns, first=False)
                    )
            tried = await self._disturbed(model)
        if baseline is not None and baseline.mode is BaselineMode.AFTER:
            async with AsyncExitStack() as stack:
                beside = await self._opened(stack, baseline.endpoint, "spec.baseline.endpoint")
                other = beside if isinstance(beside, RequestLog) else await self._sent(beside, others)
        return Loaded(log, other, tried)

    async def _opened(self, stack: AsyncExitStack, endpoint: ModelEndpoint, field: str) -> _Target | RequestLog:
        """A model that is ready; or a log without requests, which says why it is not."""
        connections = self._spec.load.max_in_flight
        model = await stack.enter_async_context(reached(endpoint, self._sources, connections, field, "spec.dataset"))
        ready = model if isinstance(model, Ready) else await model.ready()
        if isinstance(model, Ready) or ready.state is not ReadyState.READY:
            state = Readiness(ready.state.value)
            return RequestLog(state, ready.message, rows=len(self._rows.features), rows_skipped=self._rows.skipped)
        facts = await model.prepare(self._rows.columns)
        bodies = [model.body(features) for features in self._rows.features]
        return _Target(model, bodies, endpoint.timeout.total_seconds(), ready.message, asdict(facts))

    async def _sent(
        self, target: _Target, planned: Sequence[Planned], turns: Turns | None = None, *, first: bool = True
    ) -> RequestLog:
        """Send what is planned and write down what became of each request; in ``turns`` with the other model."""

        async def send(index: int) -> Reply:
            if turns is not None:
                await turns.wait(index, first)
            return await target.model.ask(target.bodies[planned[index].row])

        # What is in flight at the limit still gets its own timeout.
        left = (self._deadline - self._clock()).total_seconds() - target.timeout - CLOSING_SECONDS
        limit, start = max(left, 0.0), None if turns is None else turns.start
        sent = await drive([item.at for item in planned], send, self._spec.load.max_in_flight, limit, start=start)
        return RequestLog(
            readiness=Readiness.READY,
            readiness_message=target.said,
            records=self._records(sent, planned),
            rows=len(self._rows.features),
            rows_skipped=self._rows.skipped,
            stopped_early=sent.stopped,
            client_busy=sent.busy,
            facts=target.facts,
        )

    async def _disturbed(self, target: _Target) -> Sequence[Tried]:
        if self._spec.robustness is None:
            return ()
        until = self._deadline - timedelta(seconds=target.timeout + CLOSING_SECONDS)
        return await disturb(target.model, self._rows, self._spec, lambda: self._clock() < until)

    def _records(self, sent: Run[Reply], planned: Sequence[Planned]) -> tuple[RequestRecord, ...]:
        labels = self._rows.labels
        return tuple(
            RequestRecord(
                row=planned[item.index].row,
                warmup=planned[item.index].warmup,
                intended=item.intended,
                due=item.due,
                sent=item.sent,
                done=item.done,
                outcome=Outcome(item.reply.kind.value),
                truth=labels[planned[item.index].row] if labels else "",
                predicted=item.reply.values,
                status=item.reply.status,
                error=item.reply.error,
            )
            for item in sent.requests
        )
