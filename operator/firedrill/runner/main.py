"""``firedrill runner``: carries out one run and leaves its result."""

import argparse
import asyncio
import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import RUN_KINDS
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.runner import logs, results
from firedrill.runner.context import RunContext, Stop, read_identity, read_task
from firedrill.runner.ports import REQUESTS_PER_SECOND, SystemClock
from firedrill.runner.record_store import RecordStore

log = logging.getLogger(__name__)

#: Nothing was written: another pod carries the run out, or the cluster could not be reached.
NO_RESULT: Final = 1
INVALID_INPUT: Final = 64
_TRACEBACK_LINES: Final = 30


def main(argv: Sequence[str]) -> int:
    """Entry point: 0 when there is a result, whatever its verdict; 64 for a wrong task; else 1."""
    parser = argparse.ArgumentParser(prog="firedrill runner", description="Carry out one run.")
    parser.add_argument("--task", type=Path, required=True, help="the task, as JSON")
    options = parser.parse_args(argv)
    try:
        task = read_task(options.task)
        logs.set_up(task, "runner")
        return asyncio.run(_run(task))
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return INVALID_INPUT


async def _run(task: Task) -> int:
    client = KubeClient(await api_from_environment(), task.cluster, requests_per_second=REQUESTS_PER_SECOND)
    clock = SystemClock()
    stop = Stop()
    context = RunContext(task, client, RecordStore(client, task, clock), clock, read_identity(), stop)
    try:
        return await carry_out(context)
    finally:
        await client.close()


async def carry_out(context: RunContext) -> int:
    """Run, write the result, and say so; an unexpected error is a result too."""
    _listen(context)
    started_at = context.clock.now()
    try:
        result = await dispatch(context)
    except asyncio.CancelledError:
        # Asked to end while doing something that changes nothing, or that the guardian undoes.
        log.warning("ended before there was a result: %s", context.stop.reason)
        return NO_RESULT
    except InvalidInput as error:
        result = results.make(
            context.task,
            Verdict.ERROR,
            "InvalidSpec",
            str(error),
            started_at=started_at,
            finished_at=context.clock.now(),
        )
    except Exception as error:
        log.exception("the run broke off")
        result = results.make(
            context.task,
            Verdict.ERROR,
            "RunnerCrashed",
            f"the runner failed: {type(error).__name__}: {error}",
            started_at=started_at,
            finished_at=context.clock.now(),
            settled=context.store.nothing_left,
            report={"traceback": "".join(traceback.format_exception(error)).splitlines()[-_TRACEBACK_LINES:]},
        )
    if result is None:
        return NO_RESULT
    log.info("%s %s: %s", result.verdict, result.reason, result.message)
    # First the message: it is left even where the result can not be written.
    results.leave_message(result)
    if not await results.write(context.client, context.clock, context.task, result):
        log.warning("there is a result already; it is left as it is")
    return 0


async def dispatch(context: RunContext) -> Result | None:
    """Carry out the task by its kind. Imports are late: a run pays for its own engine alone.

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
        case "DataPipelineTest":
            from firedrill.runner import datapipeline
            from firedrill.runner.pipelinejob import run_cron_job
            from firedrill.runner.sourcing import source_context

            async with source_context(context) as sources:
                return await datapipeline.run(task, sources, context.clock.now, partial(run_cron_job, context))
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


def _listen(context: RunContext) -> None:
    """On SIGTERM, a run that changes something undoes it and tells what it saw; other runs just end."""
    loop = asyncio.get_running_loop()
    running = asyncio.current_task()

    def terminate() -> None:
        context.stop.ask("Terminated: the runner's pod was asked to end")
        if not RUN_KINDS[context.task.kind].mutates and running is not None:
            running.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
