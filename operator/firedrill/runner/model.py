"""A ModelValidation run: ask whether the model is ready, send labelled rows on schedule, judge the answers."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.endpoint import ModelEndpoint
from firedrill.api.errors import InvalidInput
from firedrill.api.modelvalidation import ModelValidationSpec, ValidationLoad
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.engines.common.regression import compared
from firedrill.engines.model import (
    Asked,
    Outcome,
    Readiness,
    RequestLog,
    RequestRecord,
    Tried,
    arrivals,
    evaluate,
    row_order,
)
from firedrill.runner.disturbing import disturb
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
        if not rows.features:
            message = f"spec.dataset.source: no usable row; {rows.skipped} rows have blanks"
            return ending.result(Verdict.INCONCLUSIVE, "TooFewRows", message)
        log, tried = await _collect(spec, spec.endpoint, "spec.endpoint", rows, sources, task.deadline, clock)
        other: RequestLog | None = None
        if spec.baseline is not None and log.readiness is Readiness.READY:
            field = "spec.baseline.endpoint"
            other, _ = await _collect(spec, spec.baseline.endpoint, field, rows, sources, task.deadline, clock)
    except SourceError as error:
        return ending.source_error(error)
    except InvalidInput as error:
        return ending.invalid(error)
    asked = Asked(
        task=spec.task,
        answers=spec.answers,
        groups=dict(zip(_group_columns(spec), rows.slices, strict=True)),
        query_column=spec.dataset.group_column,
        slices=spec.slices,
        disparity=spec.disparity,
        baseline=spec.baseline,
        baseline_log=other,
        robustness=spec.robustness,
        tried=tried,
    )
    report = evaluate(log, spec.thresholds, spec.load, asked)
    told = compared(
        report.verdict, report.reason, report.message, report.measurements, task.past, spec.regression, report.counted
    )
    evidence = report.to_json() | ({"history": told.past} if told.past else {})
    return ending.result(told.verdict, told.reason, told.message, told.measurements, evidence)


def _group_columns(spec: ModelValidationSpec) -> tuple[str, ...]:
    """Columns whose values tell rows apart, each once."""
    named = list(spec.slices.columns) if spec.slices is not None else []
    named += [spec.disparity.column] if spec.disparity is not None else []
    named += [spec.dataset.group_column] if spec.dataset.group_column is not None else []
    return tuple(dict.fromkeys(named))


async def _rows(spec: ModelValidationSpec, sources: SourceContext) -> Rows:
    field = "spec.dataset.source"
    table = await read_table(spec.dataset.source, sources, field)
    try:
        return labelled_rows(table, spec.dataset, _group_columns(spec))
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, "spec.dataset", str(error)) from error


async def _collect(
    spec: ModelValidationSpec,
    endpoint: ModelEndpoint,
    field: str,
    rows: Rows,
    sources: SourceContext,
    deadline: datetime,
    clock: Clock,
) -> tuple[RequestLog, Sequence[Tried]]:
    """Send all requests and write down what became of each; then disturb some, where the model itself is asked."""
    load, timeout = spec.load, endpoint.timeout.total_seconds()
    order = plan_rows(len(rows.features), load)
    async with reached(endpoint, sources, load.max_in_flight, field, "spec.dataset") as model:
        ready = model if isinstance(model, Ready) else await model.ready()
        if isinstance(model, Ready) or ready.state is not ReadyState.READY:
            state = Readiness(ready.state.value)
            return RequestLog(state, ready.message, rows=len(rows.features), rows_skipped=rows.skipped), ()
        facts = await model.prepare(rows.columns)
        # Made beforehand, so that the load does not wait for it.
        bodies = [model.body(features) for features in rows.features]

        async def send(index: int) -> Reply:
            return await model.ask(bodies[order[index]])

        times = arrivals(len(order), load.rate, load.seed).tolist()
        # What is in flight at the limit still gets its own timeout.
        left = (deadline - clock()).total_seconds() - timeout - CLOSING_SECONDS
        sent = await drive(times, send, load.max_in_flight, max(left, 0.0))
        tried: Sequence[Tried] = ()
        if spec.robustness is not None and endpoint is spec.endpoint:
            until = deadline - timedelta(seconds=timeout + CLOSING_SECONDS)
            tried = await disturb(model, rows, spec, lambda: clock() < until)
    log = RequestLog(
        readiness=Readiness.READY,
        readiness_message=ready.message,
        records=_records(sent, order, rows, load),
        rows=len(rows.features),
        rows_skipped=rows.skipped,
        stopped_early=sent.stopped,
        client_busy=sent.busy,
        facts=asdict(facts),
    )
    return log, tried


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
