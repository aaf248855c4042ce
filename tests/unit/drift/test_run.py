"""A DriftCheck run: what the result of a task is, also when its sources or its spec are wrong."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drift_runs import NOW, SHIFTED, drift

from firedrill.api.verdict import Verdict


async def test_the_result_carries_verdict_measurements_and_report() -> None:
    result = await drift(current={"inline": {"csv": SHIFTED}})
    assert (result.verdict, result.reason) == (Verdict.FAILED, "DriftDetected")
    assert (result.uid, result.run_id, result.cluster, result.started_at) == ("u", "r", "c", NOW)
    assert result.measurements[0].name == "a"
    assert result.report["drift"] is True


async def test_the_same_data_pass() -> None:
    assert (await drift()).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("spec", "verdict", "reason", "said"),
    [
        ({"current": {"inline": {"csv": "a\n1\n2,3\n"}}}, Verdict.ERROR, "InvalidData", "spec.current.inline.csv"),
        (
            {"reference": {"http": {"url": "http://h/x"}}},
            Verdict.INCONCLUSIVE,
            "SourceUnreachable",
            "spec.reference.http.url",
        ),
        ({"current": {"file": {"path": "nope.csv"}}}, Verdict.INCONCLUSIVE, "SourceNotFound", "spec.current.file.path"),
        ({"columns": {"include": ["nope"]}}, Verdict.ERROR, "UnknownColumn", "spec.columns.include names 'nope'"),
        ({"thresholds": {"minRows": 5}}, Verdict.ERROR, "InvalidSpec", "spec.thresholds.minRows"),
        ({"reference": {}}, Verdict.ERROR, "InvalidSpec", "spec.reference"),
        ({"current": {"inline": {"csv": "a,b\n"}}}, Verdict.INCONCLUSIVE, "TooFewRows", "0 current rows"),
    ],
)
async def test_what_is_wrong_has_a_reason_and_names_the_field(
    spec: dict[str, Any], verdict: Verdict, reason: str, said: str
) -> None:
    result = await drift(**spec)
    assert (result.verdict, result.reason) == (verdict, reason)
    assert said in result.message
    assert not result.measurements or verdict is Verdict.INCONCLUSIVE


async def test_a_file_that_is_damaged_inside_is_an_error_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(5000))}), path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[20:2000] = bytes(1980)
    path.write_bytes(bytes(data))
    result = await drift(tmp_path, reference={"file": {"path": "x.parquet"}}, current={"file": {"path": "x.parquet"}})
    assert (result.verdict, result.reason) == (Verdict.ERROR, "InvalidData")
