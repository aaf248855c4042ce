"""A DataPipelineTest run: start the pipeline where there is one, read the tables, hold them against what is asked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from firedrill.api.datapipelinetest import CronJobPipeline, DataPipelineTestSpec, TopicPipeline
from firedrill.api.errors import InvalidInput
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.pipeline import Data, Latencies, PipelineRun, Subject, check
from firedrill.runner.pipelinejob import PipelineProblem
from firedrill.runner.sourced import Clock, Ending, utc_now
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.login import CredentialsRefused
from firedrill.sources.read import read_table

#: Runs a Job from the template of a CronJob, for the n-th time, and gives its seconds. Raises PipelineProblem.
CronJobRunner = Callable[[CronJobPipeline, int], Awaitable[float]]


async def without_cluster(_pipeline: CronJobPipeline, _number: int) -> float:
    """Where there is no cluster, there is no CronJob."""
    raise PipelineProblem("NotPermitted", "spec.pipeline.cronJob: a Job can only be started in a cluster")


async def run(
    task: Task, sources: SourceContext, clock: Clock = utc_now, run_cron_job: CronJobRunner = without_cluster
) -> Result:
    """Carry out a DataPipelineTest. Whatever source, spec or pipeline do wrong is a result, never an exception."""
    ending = Ending(task, clock)
    try:
        spec = parse_spec(DataPipelineTestSpec, task.spec)
        subject = await _Reading(spec, sources, clock, run_cron_job).subject()
        report = await asyncio.to_thread(check, spec.checks, subject, spec.samples, spec.min_rows)
    except SourceError as error:
        return ending.source_error(error)
    except InvalidTable as error:
        # A Parquet file is read while it is looked at, so damage may show only then.
        return ending.source_error(SourceError(SourceReason.INVALID_DATA, "spec.data or spec.tables", str(error)))
    except PipelineProblem as error:
        return _pipeline_problem(ending, error)
    except InvalidInput as error:
        return ending.invalid(InvalidInput(str(error) if str(error).startswith("spec") else f"spec.{error}"))
    return ending.result(report.verdict, report.reason, report.message, report.measurements, report.to_json())


def _pipeline_problem(ending: Ending, error: PipelineProblem) -> Result:
    """A pipeline that fails has failed the test; one that could not be had says nothing of it."""
    if error.failed:
        measured = Measurement(name="pipeline", limit="run succeeds", passed=False, detail=f"1 run: {error}"[:512])
        return ending.result(Verdict.FAILED, error.reason, str(error), [measured])
    verdict = Verdict.INCONCLUSIVE if error.passing else Verdict.ERROR
    return ending.result(verdict, error.reason, str(error))


class _Reading:
    def __init__(
        self, spec: DataPipelineTestSpec, sources: SourceContext, clock: Clock, run_cron_job: CronJobRunner
    ) -> None:
        self._spec = spec
        self._sources = sources
        self._clock = clock
        self._run_cron_job = run_cron_job

    async def subject(self) -> Subject:
        """Everything that is looked at. The source of a reconciliation is read before the pipeline runs."""
        spec = self._spec
        tables = {
            each.name: Data(await read_table(each.source, self._sources, f"spec.tables[{number}].source"), each.name)
            for number, each in enumerate(spec.tables)
        }
        if spec.pipeline is None:
            return Subject(await self._data(), self._clock(), tables)
        if spec.pipeline.topic is not None:
            runs = [await self._messages(spec.pipeline.topic, tables)]
            return Subject(await self._data(), self._clock(), tables, runs)
        assert spec.pipeline.cron_job is not None
        runs, before, data = [], None, None
        for number in range(1, spec.runs + 1):
            before = data
            seconds = await self._run_cron_job(spec.pipeline.cron_job, number)
            data = await self._data()
            if number < spec.runs:
                # The next run may write over the file that this one has left.
                data = await asyncio.to_thread(data.held)
            runs.append(PipelineRun(seconds, data.num_rows))
        assert data is not None
        return Subject(data, self._clock(), tables, runs, before)

    async def _data(self) -> Data:
        return Data(await read_table(self._spec.data, self._sources, "spec.data"))

    async def _messages(self, pipeline: TopicPipeline, tables: Mapping[str, Data]) -> PipelineRun:
        from firedrill.sources.roundtrip import send_and_await

        field = "spec.pipeline.topic"
        try:
            login = await self._sources.read_login(pipeline.secret_ref, tls=pipeline.tls)
        except CredentialsRefused as error:
            raise SourceError(SourceReason.NOT_ALLOWED, f"{field}.secretRef", str(error)) from error
        except OSError as error:
            raise SourceError(SourceReason.UNREACHABLE, f"{field}.secretRef", str(error)) from error
        rows = await asyncio.to_thread(_rows, tables[pipeline.messages])
        found = await send_and_await(pipeline, login, rows, field)
        return PipelineRun(found.seconds, len(found.latencies), Latencies(found.latencies, found.missing))


def _rows(table: Data) -> list[dict[str, Any]]:
    names = [name for name in table.names if table.names.count(name) == 1]
    columns = [table.column(name).to_pylist() for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
