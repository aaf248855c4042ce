"""A ModelValidation run: read labelled rows, send them to the model and beside it its baseline, judge the answers."""

from firedrill.api.errors import InvalidInput
from firedrill.api.modelvalidation import ModelValidationSpec
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.engines.common.regression import compared
from firedrill.engines.model import Asked, evaluate
from firedrill.runner.modelload import Loads
from firedrill.runner.sourced import Clock, Ending, utc_now
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.read import read_table
from firedrill.sources.serving.rows import Rows, labelled_rows


async def run(task: Task, sources: SourceContext, clock: Clock = utc_now) -> Result:
    """Carry out a ModelValidation. Whatever server, source or spec do wrong is a result, never an exception."""
    ending = Ending(task, clock)
    try:
        spec = parse_spec(ModelValidationSpec, task.spec)
        rows = await _rows(spec, sources)
        if not rows.features:
            message = f"spec.dataset.source: no usable row; {rows.skipped} rows have blanks"
            return ending.result(Verdict.INCONCLUSIVE, "TooFewRows", message)
        groups = dict(zip(_group_columns(spec), rows.slices, strict=True))
        queries = groups.get(spec.dataset.group_column or "", ())
        found = await Loads(spec, rows, sources, task.deadline, clock, queries).run()
    except SourceError as error:
        return ending.source_error(error)
    except InvalidInput as error:
        return ending.invalid(error)
    asked = Asked(
        task=spec.task,
        answers=spec.answers,
        groups=groups,
        query_column=spec.dataset.group_column,
        slices=spec.slices,
        disparity=spec.disparity,
        baseline=spec.baseline,
        baseline_log=found.baseline,
        robustness=spec.robustness,
        tried=found.tried,
        labelled=spec.dataset.label_column is not None,
    )
    report = evaluate(found.model, spec.thresholds, spec.load, asked)
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
