"""``firedrill telemetry export``: wrong input first, then what is written, and above all what is not."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.proxied import ProxiedSimulation
from support.telemetry_rows import FLAG, START, TABLES, WINDOW, export, recorded


@pytest.fixture
def simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxiedSimulation]:
    with recorded(tmp_path, monkeypatch) as made:
        yield made


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["--output", "o"], "--from"),
        (WINDOW, "--output"),
        (["--from", "yesterday", "--output", "o"], "--from yesterday"),
        (["--from", "-30", "--output", "o"], "--from"),
        (["--from", "2026-01-01T00:00:00", "--output", "o"], "no time zone"),
        (["--from", "-5m", "--to", "-10m", "--output", "o"], "--from -5m: must be before --to -10m"),
        (["--from", "-900h", "--output", "o"], "at most 31 days"),
        ([*WINDOW, "--output", "o", "--step", "15"], "--step"),
        ([*WINDOW, "--output", "o", "--step", "10ms"], "--step"),
        ([*WINDOW, "--output", "o", "--truth", "o"], "--truth"),
        ([*WINDOW, "--output", "o", "--truth", "o/truth"], "--truth"),
        ([*WINDOW, "--output", "s3://b/a", "--truth", "s3://b/a/t"], "--truth"),
        ([*WINDOW, "--output", "o", "--hub-context", "hub"], "--hub-context"),
        ([*WINDOW, "--output", "o", "--truth", "t", "--hub-context", "nowhere"], "--hub-context"),
        ([*WINDOW, "--output", "o", "--context", "nowhere"], "--context"),
        ([*WINDOW, "--output", "full"], "--output full: is not empty"),
        ([*WINDOW, "--output", "full/file"], "--output full/file"),
        ([*WINDOW, "--output", "s3://bucket"], "--output s3://bucket"),
        ([*WINDOW, "--output", "o", "--namespace", "No_Such"], "--namespace No_Such"),
        ([*WINDOW, "--output", "o", "--namespace", "empty"], "--namespace empty: no simulation is there"),
    ],
)
def test_wrong_input_is_named_and_ends_with_64(
    simulation: ProxiedSimulation, capsys: pytest.CaptureFixture[str], arguments: list[str], flag: str
) -> None:
    Path("full").mkdir()
    Path("full/file").write_text("x")
    assert export(*arguments) == 64
    assert flag in capsys.readouterr().err
    assert not Path("o").exists()


def test_a_cluster_that_does_not_answer_ends_with_3(
    simulation: ProxiedSimulation, capsys: pytest.CaptureFixture[str]
) -> None:
    simulation.failing = True
    assert export(*WINDOW, "--output", "o") == 3
    assert "no endpoints available" in capsys.readouterr().err
    assert not Path("o").exists()


def read(place: str) -> dict[str, list[dict[str, Any]]]:
    return {name: _rows(f"{place}/{name}.parquet") for name in TABLES}


def _rows(path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_what_is_kept_of_the_window_is_written(simulation: ProxiedSimulation) -> None:
    assert export(*WINDOW, "--output", "o") == 0
    found = read("o")
    assert [sample["value"] for sample in found["metrics"]] == [float(each) for each in range(81)]
    assert [line["message"] for line in found["logs"]] == ["request", "request"]
    assert [event["reason"] for event in found["events"]] == ["Killing"]
    assert [change["patch"] for change in found["changes"]] == ['{"spec": {"annotations": {}}}']
    assert [pod["restarts"] for pod in found["pods"]] == [1]
    assert [(edge["caller"], edge["callee"], edge["requests"]) for edge in found["edges"]] == [
        ("gateway", "ledger", 7.0)
    ]
    manifest = json.loads(Path("o/manifest.json").read_text())
    assert manifest == {
        "schemaVersion": 1,
        "namespace": "bank",
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-01T00:20:00Z",
        "stepSeconds": 15.0,
        "rows": {"metrics": 81, "logs": 2, "events": 1, "changes": 1, "pods": 1, "edges": 1},
    }


def test_nothing_in_the_output_tells_of_faults(simulation: ProxiedSimulation) -> None:
    assert export(*WINDOW, "--output", "o", "--truth", "t", "--hub-context", "hub") == 0
    for name, rows in read("o").items():
        for found in rows:
            text = repr(found)
            assert FLAG not in text, name
            assert "firedrill" not in text, name
            assert "flag" not in text, name
    assert {each.name for each in Path("o").iterdir()} == {"manifest.json", *(f"{name}.parquet" for name in TABLES)}


def test_the_truth_is_written_only_where_it_is_asked_for(simulation: ProxiedSimulation) -> None:
    assert export(*WINDOW, "--output", "o") == 0
    assert {each.name for each in Path.cwd().iterdir()} == {"kubeconfig", "o"}
    assert export(*WINDOW, "--output", "o2", "--truth", "t", "--hub-context", "hub") == 0
    assert _rows("t/flags.parquet") == [
        {
            "start": START - timedelta(hours=1), "end": START + timedelta(minutes=5),
            "service": "*", "name": FLAG, "value": 4.0,
        }
    ]  # fmt: skip
    assert [(run["name"], run["fault"]) for run in _rows("t/experiments.parquet")] == [("kill", "podKill")]
    assert json.loads(Path("t/manifest.json").read_text())["rows"] == {"flags": 1, "experiments": 1}


def test_times_back_from_now_are_taken(simulation: ProxiedSimulation) -> None:
    assert export("--from", "-30m", "--to", "-1m", "--output", "o") == 0
    assert json.loads(Path("o/manifest.json").read_text())["rows"]["logs"] == 0


def test_s3_that_does_not_answer_ends_with_3(simulation: ProxiedSimulation, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert export(*WINDOW, "--output", "s3://features/x") == 3
