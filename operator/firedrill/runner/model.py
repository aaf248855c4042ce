"""A ModelValidation run: ask whether the model is ready, send labelled rows on schedule, judge the answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from firedrill.api.errors import InvalidInput
from firedrill.api.modelvalidation import ModelValidationSpec, ValidationLoad
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.engines.model import Outcome, Readiness, RequestLog, RequestRecord, arrivals, evaluate, row_order
from firedrill.runner.reaching import reached
from firedrill.runner.sourced import Clock, Ending, utc_now
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.openloop import Run, drive
from firedrill.sources.read import read_table
from firedrill.sources.serving.port import Ready, ReadyState, Reply
from firedrill.sources.serving.rows import Rows, labelled_rows

#: Time that is kept before the deadline for the evaluation and for writing the result.
CLOSING_SECONDS: Final = 2.0


async def run(task: Task, sources: SourceContext, clock: Clock = utc_now) -> Result:
    """Carry out a ModelValidation. Whatever server, source or spec do wrong is a result, never an exception."""
    ending = Ending(task, clock)
    try:
        spec = parse_spec(ModelValidationSpec, task.spec)
        rows = await _rows(spec, sources)
    except SourceError as error:
        return ending.source_error(error)
    except InvalidInput as error:
        return ending.invalid(error)
    if not rows.features:
        message = f"spec.dataset.source: no usable row; {rows.skipped} rows have blanks"
        return ending.result(Verdict.INCONCLUSIVE, "TooFewRows", message)
    try:
        log = await _collect(spec, rows, sources, task.deadline, clock)
    except SourceError as error:
        return ending.source_error(error)
    report = evaluate(log, spec.thresholds, spec.load)
    return ending.result(report.verdict, report.reason, report.message, report.measurements, report.to_json())


async def _rows(spec: ModelValidationSpec, sources: SourceContext) -> Rows:
    field = "spec.dataset.source"
    table = await read_table(spec.dataset.source, sources, field)
    try:
        return labelled_rows(table, spec.dataset)
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, "spec.dataset", str(error)) from error


async def _collect(
    spec: ModelValidationSpec, rows: Rows, sources: SourceContext, deadline: datetime, clock: Clock
) -> RequestLog:
    """Send all requests and write down what became of each."""
    load, timeout = spec.load, spec.endpoint.timeout.total_seconds()
    order = plan_rows(len(rows.features), load)
    async with reached(spec.endpoint, sources, load.max_in_flight, "spec.endpoint", "spec.dataset") as model:
        ready = model if isinstance(model, Ready) else await model.ready()
        if isinstance(model, Ready) or ready.state is not ReadyState.READY:
            state = Readiness(ready.state.value)
            return RequestLog(state, ready.message, rows=len(rows.features), rows_skipped=rows.skipped)
        await model.prepare(rows.columns)
        # Made beforehand, so that the load does not wait for it.
        bodies = [model.body(features) for features in rows.features]

        async def send(index: int) -> Reply:
            return await model.ask(bodies[order[index]])

        times = arrivals(len(order), load.rate, load.seed).tolist()
        # What is in flight at the limit still gets its own timeout.
        left = (deadline - clock()).total_seconds() - timeout - CLOSING_SECONDS
        sent = await drive(times, send, load.max_in_flight, max(left, 0.0))
    return RequestLog(
        readiness=Readiness.READY,
        readiness_message=ready.message,
        records=_records(sent, order, rows, load),
        rows=len(rows.features),
        rows_skipped=rows.skipped,
        stopped_early=sent.stopped,
        client_busy=sent.busy,
    )


def plan_rows(rows: int, load: ValidationLoad) -> list[int]:
    """The row of each request: those of warm-up first, drawn apart, so that they use up no row of the others."""
    warmup = row_order(rows, load.warmup, load.seed + 1)
    return [*warmup, *row_order(rows, load.requests, load.seed)]


def _records(sent: Run[Reply], order: Sequence[int], rows: Rows, load: ValidationLoad) -> tuple[RequestRecord, ...]:
    return tuple(
        RequestRecord(
            row=order[item.index],
            warmup=item.index < load.warmup,
            intended=item.intended,
            due=item.due,
            sent=item.sent,
            done=item.done,
            outcome=Outcome(item.reply.kind.value),
            truth=rows.labels[order[item.index]],
            predicted=item.reply.values,
            status=item.reply.status,
            error=item.reply.error,
        )
        for item in sent.requests
    )
