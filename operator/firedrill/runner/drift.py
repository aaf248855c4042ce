"""A DriftCheck run: read both tables, compare them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from firedrill.api.driftcheck import DriftCheckSpec, ScaleMode
from firedrill.api.errors import InvalidInput
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, DriftReport, UnknownColumn, check
from firedrill.engines.drift.sketch import SourceChanged
from firedrill.runner.memory import memory_limit
from firedrill.runner.parts import Alone, Crew, PartDone, WorkerMissing
from firedrill.runner.profiled import profile_used
from firedrill.runner.reactions.port import Found, React
from firedrill.runner.reactions.reacting import only_told
from firedrill.runner.sketching import WorkerEnded, check_in_pieces, give_up
from firedrill.runner.sourced import Clock, Ending, utc_now
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.read import open_table, settle
from firedrill.sources.table import SourceTable

#: What an exact comparison takes at its peak: the process itself, and for each row of either side what the two columns
#: hold that are compared at a time (measured: see docs/benchmarks.md).
_BYTES: Final = 200 * 1024**2
_BYTES_PER_ROW: Final = 100
#: Time that is kept before the deadline for merging and for writing the result.
_CLOSING: Final = timedelta(seconds=10)


async def run(
    task: Task,
    sources: SourceContext,
    clock: Clock = utc_now,
    react: React = only_told,
    crew: Crew | None = None,
    memory: Callable[[], int] = memory_limit,
) -> Result:
    """Carry out a DriftCheck, and act on drift where the spec says how. A source or a spec that is wrong is a result
    with its reason, never an exception; an action that fails does not change the verdict.

    Raises PartDone where this is a worker whose sketches another one puts together.
    """
    crew = crew or Alone()
    result = await _result(task, sources, Ending(task, clock), react, crew, memory)
    if crew.index:
        await give_up(crew, result.verdict, result.reason, result.message)
        raise PartDone
    return result


async def _result(
    task: Task, sources: SourceContext, ending: Ending, react: React, crew: Crew, memory: Callable[[], int]
) -> Result:
    try:
        spec = parse_spec(DriftCheckSpec, task.spec)
        report, profile = await _report(spec, task, sources, crew, memory())
    except SourceError as error:
        return ending.source_error(error)
    except InvalidTable as error:
        # A Parquet file is read while it is compared, so damage may show only then.
        return ending.source_error(SourceError(SourceReason.INVALID_DATA, "spec.reference or spec.current", str(error)))
    except UnknownColumn as error:
        return ending.invalid(InvalidInput(f"spec.{error}"), "UnknownColumn")
    except InvalidInput as error:
        return ending.invalid(error)
    except WorkerMissing as error:
        return ending.result(Verdict.INCONCLUSIVE, "WorkerMissing", str(error))
    except SourceChanged as error:
        return ending.result(Verdict.INCONCLUSIVE, "SourceChanged", str(error))
    except WorkerEnded as error:
        return ending.result(error.verdict, error.reason, error.message)
    told = {**report.to_json(), **profile}
    if spec.on_drift is None:
        return ending.result(report.verdict, report.reason, report.message, report.measurements, told)
    reaction = await react(spec, task, Found(report.verdict, report.message, tuple(report.drifted)))
    message = f"{report.message}; onDrift: {reaction.message}" if report.drift else report.message
    told |= {"reaction": reaction.to_json()}
    return ending.result(report.verdict, report.reason, message, report.measurements, told, [reaction.finding])


async def _report(
    spec: DriftCheckSpec, task: Task, sources: SourceContext, crew: Crew, memory: int
) -> tuple[DriftReport, dict[str, Any]]:
    """The report, and what it says of the profile that is the reference."""
    reference = await open_table(spec.reference, sources, "spec.reference")
    current = await open_table(spec.current, sources, "spec.current")
    if _in_pieces(spec, reference, current, memory):
        profile = await asyncio.to_thread(profile_used, spec, reference, current)
        return await check_in_pieces(spec, reference, current, crew, task.deadline - _CLOSING), profile
    await settle(reference, "spec.reference")
    await settle(current, "spec.current")
    profile = await asyncio.to_thread(profile_used, spec, reference, current)
    return await asyncio.to_thread(check, reference, current, Asked.of(spec)), profile


def _in_pieces(spec: DriftCheckSpec, reference: SourceTable, current: SourceTable, limit: int) -> bool:
    """Whether sketches are to be made. Raises InvalidInput where it has to be exact, and does not fit into memory."""
    if spec.scale.always_sketches:
        return True
    rows = reference.rows_at_most + current.rows_at_most
    needed = _BYTES + rows * _BYTES_PER_ROW
    if needed <= limit:
        return False
    exact = spec.scale.mode is ScaleMode.EXACT
    if not exact and not spec.needing_rows:
        return True
    what = "spec.scale.mode: Exact" if exact else f"spec.{spec.needing_rows[0]}: needs the rows themselves, which"
    remedy = "set spec.scale.mode to Sketch" if exact and not spec.needing_rows else "leave it out"
    raise InvalidInput(
        f"{what} takes about {needed // 1024**2} MiB for {rows} rows, and the runner may take {limit // 1024**2} MiB; "
        f"{remedy}, or raise spec.jobTemplate.resources.limits.memory"
    )
