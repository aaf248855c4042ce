"""What carries out a task, by its kind. Imports are late: a run pays for its own engine alone."""

from firedrill.api.errors import InvalidInput
from firedrill.api.task import Result
from firedrill.runner.context import RunContext


async def dispatch(context: RunContext) -> Result | None:
    """Carry out the task by its kind.

    None where another pod carries it out. Raises InvalidInput for a kind that is not known or a wrong spec.
    """
    task = context.task
    match task.kind:
        case "ChaosExperiment":
            from firedrill.runner import chaos

            return await chaos.run(context)
        case "DriftCheck":
            from firedrill.runner import drift
            from firedrill.runner.sourcing import source_context

            async with source_context(context) as sources:
                return await drift.run(task, sources)
        case "ModelValidation":
            from firedrill.runner import model
            from firedrill.runner.sourcing import source_context

            async with source_context(context) as sources:
                return await model.run(task, sources)
        case "AutoFix":
            from firedrill.runner import fix

            return await fix.run(context)
        case "Simulation":
            from firedrill.runner import simulation

            return await simulation.run(context)
    raise InvalidInput(f"this runner knows no kind {task.kind}")
