"""A DriftCheck run: read both tables, compare them."""

import asyncio

from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result, Task
from firedrill.engines.drift import Asked, UnknownColumn, check
from firedrill.runner.profiled import profile_used
from firedrill.runner.reactions.port import Found, React
from firedrill.runner.reactions.reacting import only_told
from firedrill.runner.sourced import Clock, Ending, utc_now
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.read import read_table


async def run(task: Task, sources: SourceContext, clock: Clock = utc_now, react: React = only_told) -> Result:
    """Carry out a DriftCheck, and act on drift where the spec says how. A source or a spec that is wrong is a result
    with its reason, never an exception; an action that fails does not change the verdict."""
    ending = Ending(task, clock)
    try:
        spec = parse_spec(DriftCheckSpec, task.spec)
        reference = await read_table(spec.reference, sources, "spec.reference")
        current = await read_table(spec.current, sources, "spec.current")
        profile = await asyncio.to_thread(profile_used, spec, reference, current)
        report = await asyncio.to_thread(check, reference, current, Asked.of(spec))
    except SourceError as error:
        return ending.source_error(error)
    except InvalidTable as error:
        # A Parquet file is read while it is compared, so damage may show only then.
        return ending.source_error(SourceError(SourceReason.INVALID_DATA, "spec.reference or spec.current", str(error)))
    except UnknownColumn as error:
        return ending.invalid(InvalidInput(f"spec.{error}"), "UnknownColumn")
    except InvalidInput as error:
        return ending.invalid(error)
    told = {**report.to_json(), **profile}
    if spec.on_drift is None:
        return ending.result(report.verdict, report.reason, report.message, report.measurements, told)
    reaction = await react(spec, task, Found(report.verdict, report.message, tuple(report.drifted)))
    message = f"{report.message}; onDrift: {reaction.message}" if report.drift else report.message
    told |= {"reaction": reaction.to_json()}
    return ending.result(report.verdict, report.reason, message, report.measurements, told, [reaction.finding])
