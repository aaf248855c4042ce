"""What carries out a task, by its kind. Imports are late: a run pays for its own engine alone."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Final

from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import RUN_KINDS
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result
from firedrill.runner.context import RunContext
from firedrill.runner.parts import Alone, Crew, PodCrew

_INDEX: Final = "JOB_COMPLETION_INDEX"


async def dispatch(context: RunContext) -> Result | None:
    """Carry out the task by its kind.

    None where another pod carries it out. Raises InvalidInput for a kind that is not known or a wrong spec.
    """
    task = context.task
    match task.kind:
        case "ChaosExperiment":
            from firedrill.runner import chaos

            return await chaos.run(context)
        case "AutoFix":
            from firedrill.runner import fix

            return await fix.run(context)
        case "Simulation":
            from firedrill.runner import simulation

            return await simulation.run(context)
        case "DriftCheck" | "ModelValidation" | "PerformanceBenchmark" | "DataPipelineTest":
            return await _check(context)
    raise InvalidInput(f"this runner knows no kind {task.kind}")


async def _check(context: RunContext) -> Result:
    """Runs that read sources."""
    from firedrill.runner.sourcing import source_context

    task = context.task
    async with source_context(context) as sources:
        match task.kind:
            case "DriftCheck":
                from firedrill.runner import drift
                from firedrill.runner.reactions.reacting import Reactor

                react = Reactor(context, sources.read_login)
                return await drift.run(task, sources, context.clock.now, react, crew_of(context))
            case "ModelValidation":
                from firedrill.runner import model

                return await model.run(task, sources)
            case "PerformanceBenchmark":
                from firedrill.runner import benchmark

                return await benchmark.run(task, sources, crew=crew_of(context))
            case _:
                from firedrill.runner import datapipeline
                from firedrill.runner.pipelinejob import run_cron_job

                return await datapipeline.run(task, sources, context.clock.now, partial(run_cron_job, context))


def crew_of(context: RunContext, environment: Mapping[str, str] = os.environ) -> Crew:
    """The workers of a run: pods of an Indexed Job know which they are. Raises InvalidInput for a wrong spec."""
    size = parse_spec(RUN_KINDS[context.task.kind].spec, context.task.spec).crew_size
    if size <= 1:
        return Alone()
    return PodCrew(context.client, context.clock, context.task, int(environment.get(_INDEX, "0")), size)
