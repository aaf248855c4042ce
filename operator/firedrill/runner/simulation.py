"""A Simulation run: build what the spec asks for and see it live, or take away what earlier runs have built."""

from firedrill.api.errors import InvalidInput
from firedrill.api.resource import parse_spec
from firedrill.api.simulation import SimulationSpec
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters.errors import ClusterError
from firedrill.runner.context import RunContext
from firedrill.runner.simulating import building, removing
from firedrill.runner.simulating.place import Busy, alone
from firedrill.runner.sourced import Ending
from firedrill.runner.sourcing import read_key
from firedrill.simulation.plan import Plan, make_plan


async def run(context: RunContext) -> Result:
    """Carry out a Simulation. Whatever the spec or the cluster do wrong is a result, never an exception."""
    ending = Ending(context.task, context.clock.now)
    try:
        if context.task.remove:
            await alone(context)
            found = await removing.remove(context)
            return ending.result(found.verdict, found.reason, found.message, found.measurements)
        spec = parse_spec(SimulationSpec, context.task.spec)
        plan = await _plan(context, spec)
        await alone(context)
        built = await building.build(context, spec, plan)
        return ending.result(built.verdict, built.reason, built.message, built.measurements, built.report)
    except InvalidInput as error:
        return ending.invalid(error)
    except Busy as error:
        return ending.result(Verdict.INCONCLUSIVE, "Busy", str(error))
    except LookupError as error:
        return ending.result(Verdict.INCONCLUSIVE, "SourceNotFound", f"spec.source.configMap: {error}")
    except (OSError, ClusterError) as error:
        return ending.result(Verdict.ERROR, "ClusterError", f"{context.task.cluster}: {error}")


async def _plan(context: RunContext, spec: SimulationSpec) -> Plan:
    referenced = ""
    if spec.source.config_map:
        raw = await read_key(context, spec.source.config_map.name, spec.source.config_map.key)
        referenced = raw.decode("utf-8", "replace")
    return make_plan(spec, referenced)
