"""A run of a DataPipelineTest: verdicts, reasons, and what is said of what is wrong."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.core.score import score
from firedrill.runner.datapipeline import run, without_cluster
from firedrill.runner.pipelinejob import PipelineProblem
from firedrill.sources.context import SourceContext
from support.tasks import check_task

NOW = datetime(2025, 1, 1, tzinfo=UTC)
CSV = "id,amount,country\n1,5,CH\n2,6,DE\n3,,CH\n"
PIPELINE = {"cronJob": {"namespace": "etl", "cronJob": "nightly"}}


async def outcome(base: Path = Path(), cron_job: Any = without_cluster, **spec: Any) -> Result:
    body = {"data": {"inline": {"csv": CSV}}, "checks": [{"volume": {"min": 1}}]} | spec
    task = check_task("DataPipelineTest", body, at=NOW)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503))) as http:
        result = await run(task, SourceContext(http, allow_files=True, base_dir=base), lambda: NOW, cron_job)
    json.dumps(result.to_wire(), allow_nan=False)
    return result


async def test_a_pass_names_measurement_limit_and_rows() -> None:
    result = await outcome(checks=[{"unique": {"columns": ["id"]}}, {"nulls": {"columns": ["country"]}}])
    assert (result.verdict, result.reason) == (Verdict.PASSED, "ChecksPassed")
    assert result.message == (
        "All of 2 checks passed on 3 rows, as unique(id) 0 % (limit <= 0; 0 of 3 rows repeat an earlier one)"
    )
    assert {each.name: each.passed for each in result.measurements} == {"unique(id)": True, "nulls(country)": True}


async def test_a_failure_comes_first_with_masked_rows_and_the_score_is_weighted() -> None:
    checks = [
        {"volume": {"min": 1}, "weight": 3},
        {"nulls": {"columns": ["amount"]}, "name": "amounts"},
        {"allowed": {"column": "country", "values": ["CH"]}},
    ]
    result = await outcome(checks=checks, samples={"show": ["id"]})
    assert (result.verdict, result.reason) == (Verdict.FAILED, "ChecksFailed")
    assert "2 of 3 checks failed: amounts: nulls(amount) 33.33 % (limit <= 0; 1 of 3 rows" in result.message
    assert result.report["checks"][0]["samples"] == [{"row": 3, "values": {"amount": None, "id": "3"}}]
    assert result.report["checks"][1]["samples"] == [{"row": 2, "values": {"country": "AA", "id": "2"}}]
    assert score(result.verdict, result.measurements) == 60


EMPTY = {"inline": {"csv": "id,amount\n"}}
SOME: dict[str, Any] = {"checks": [{"nulls": {"columns": ["id"]}}]}


@pytest.mark.parametrize(
    ("spec", "verdict", "reason", "said"),
    [
        ({"data": EMPTY, **SOME}, Verdict.INCONCLUSIVE, "TooFewRows", "Too few rows: 0, at least 1 are needed"),
        ({"data": EMPTY}, Verdict.FAILED, "ChecksFailed", "volume 0 rows (limit >= 1"),
        ({"minRows": 10, **SOME}, Verdict.INCONCLUSIVE, "TooFewRows", "Too few rows: 3, at least 10"),
        ({"data": EMPTY, "minRows": 0, **SOME}, Verdict.INCONCLUSIVE, "ChecksUndecided", "no row of 0 has a value"),
        ({"data": {"inline": {"csv": "a\n1,2\n"}}}, Verdict.ERROR, "InvalidData", "spec.data.inline.csv"),
        ({"data": {"http": {"url": "http://h/x"}}}, Verdict.INCONCLUSIVE, "SourceUnreachable", "spec.data.http.url"),
        (
            {"tables": [{"name": "t", "source": {"file": {"path": "nope.csv"}}}]},
            Verdict.INCONCLUSIVE,
            "SourceNotFound",
            "spec.tables[0].source.file.path",
        ),
        ({"data": {}}, Verdict.ERROR, "InvalidSpec", "spec.data"),
        ({"checks": []}, Verdict.ERROR, "InvalidSpec", "spec.checks"),
        ({"checks": [{}]}, Verdict.ERROR, "InvalidSpec", "spec.checks[0]: set exactly one of schema, nulls"),
        (
            {"checks": [{"nulls": {"columns": ["a"]}, "volume": {"min": 1}}]},
            Verdict.ERROR,
            "InvalidSpec",
            "spec.checks[0]: set exactly one of",
        ),
        ({"checks": [{"range": {"columns": ["a"]}}]}, Verdict.ERROR, "InvalidSpec", "checks[0].range: set min, max"),
        (
            {"checks": [{"range": {"columns": ["a"], "min": 2, "max": 1}}]},
            Verdict.ERROR,
            "InvalidSpec",
            "min must not be above max",
        ),
        ({"checks": [{"pattern": {"column": "a"}}]}, Verdict.ERROR, "InvalidSpec", "set regex, minLength or maxLength"),
        (
            {"checks": [{"pattern": {"column": "country", "regex": "("}}]},
            Verdict.ERROR,
            "InvalidSpec",
            "spec.checks[0].pattern.regex: not a regular expression",
        ),
        ({"checks": [{"volume": {}}]}, Verdict.ERROR, "InvalidSpec", "checks[0].volume: set min, max or history"),
        ({"checks": [{"nulls": {"columns": []}}]}, Verdict.ERROR, "InvalidSpec", "spec.checks[0].nulls.columns"),
        ({"checks": [{"nulls": {"columns": ["a"], "maxShare": 2}}]}, Verdict.ERROR, "InvalidSpec", "nulls.maxShare"),
        (
            {"checks": [{"references": {"columns": ["id"], "table": "none"}}]},
            Verdict.ERROR,
            "InvalidSpec",
            "checks[0].references: there is no table 'none' in tables",
        ),
        (
            {"checks": [{"reconcile": {"keys": ["id"], "table": "none"}}]},
            Verdict.ERROR,
            "InvalidSpec",
            "checks[0].reconcile: there is no table 'none'",
        ),
        ({"checks": [{"idempotence": {}}]}, Verdict.ERROR, "InvalidSpec", "checks[0].idempotence: needs a pipeline"),
        ({"checks": [{"speed": {}}]}, Verdict.ERROR, "InvalidSpec", "checks[0].speed: set maxDuration"),
        (
            {"checks": [{"speed": {"maxP99": "1s"}}], "pipeline": PIPELINE},
            Verdict.ERROR,
            "InvalidSpec",
            "checks[0].speed.maxP99: needs pipeline.topic",
        ),
        ({"pipeline": {}}, Verdict.ERROR, "InvalidSpec", "spec.pipeline: set exactly one of cronJob, topic"),
        (
            {"checks": [{"ledgerBalances": {"transaction": "id"}}]},
            Verdict.ERROR,
            "InvalidSpec",
            "set amount, or debit and credit",
        ),
        (
            {"checks": [{"deviceSeries": {"device": "id", "time": "id", "maxClockSkew": "1s"}}]},
            Verdict.ERROR,
            "InvalidSpec",
            "set received and maxClockSkew, or neither",
        ),
        (
            {"tables": [{"name": "t", "source": EMPTY}, {"name": "t", "source": EMPTY}]},
            Verdict.ERROR,
            "InvalidSpec",
            "spec.tables: the name 't' is given twice",
        ),
        ({"pipeline": PIPELINE}, Verdict.ERROR, "NotPermitted", "a Job can only be started in a cluster"),
    ],
)
async def test_what_is_wrong_has_a_reason_and_names_the_field(
    spec: dict[str, Any], verdict: Verdict, reason: str, said: str
) -> None:
    result = await outcome(**spec)
    assert (result.verdict, result.reason) == (verdict, reason), result.message
    assert said in result.message


async def test_a_file_that_is_damaged_inside_is_an_error_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": list(range(5000))}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[20:2000] = bytes(1980)
    path.write_bytes(bytes(content))
    result = await outcome(tmp_path, data={"file": {"path": "x.parquet"}}, **SOME)
    assert (result.verdict, result.reason) == (Verdict.ERROR, "InvalidData")
    assert "column 'id' can not be read" in result.message


async def test_the_pipeline_is_run_twice_where_idempotence_is_asked(tmp_path: Path) -> None:
    out, runs = tmp_path / "out.parquet", []

    async def append(_pipeline: Any, number: int) -> float:
        runs.append(number)
        pq.write_table(pa.table({"id": list(range(3)) * number}), out)
        return 2.0

    checks: list[dict[str, Any]] = [{"idempotence": {}}, {"speed": {"maxDuration": "3s", "minRowsPerSecond": 1}}]
    result = await outcome(tmp_path, append, data={"file": {"path": "out.parquet"}}, checks=checks, pipeline=PIPELINE)
    assert runs == [1, 2]
    assert result.verdict is Verdict.FAILED
    assert "3 only after the second; 3 rows after the first run, 6 after the second" in result.message
    assert {each.name: each.passed for each in result.measurements} == {
        "idempotence": False,
        "duration": True,
        "throughput": True,
    }
    assert result.report["pipelineRuns"] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("problem", "verdict"),
    [
        (
            PipelineProblem("PipelineFailed", "Job etl/j-run-1 failed: BackoffLimit", failed=True),
            Verdict.FAILED,
        ),
        (PipelineProblem("PipelineNotFound", "there is no CronJob etl/nightly", passing=True), Verdict.INCONCLUSIVE),
        (PipelineProblem("NotPermitted", "CronJob etl/nightly is not meant for n"), Verdict.ERROR),
    ],
)
async def test_a_pipeline_that_fails_has_failed_the_test_and_one_that_can_not_be_had_says_nothing(
    problem: PipelineProblem, verdict: Verdict
) -> None:
    async def fail(_pipeline: Any, _number: int) -> float:
        raise problem

    result = await outcome(cron_job=fail, pipeline=PIPELINE)
    assert (result.verdict, result.reason, result.message) == (verdict, problem.reason, str(problem))
    assert [each.passed for each in result.measurements] == ([False] if verdict is Verdict.FAILED else [])
