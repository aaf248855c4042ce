"""``firedrill telemetry export``: wrong input first, then what is written, and above all what is not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from firedrill.cli.main import main
from support.moto import MOTO_SERVER, moto_server
from support.proxied import ProxiedSimulation

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:20:00Z"]
FLAG = "memoryLeak"
TABLES = ("metrics", "logs", "events", "changes", "pods", "edges")


def at(minutes: float) -> str:
    return f"{START + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.000000000Z"


def row(minutes: float, **more: Any) -> dict[str, Any]:
    return {"time": at(minutes), **more}


def series(name: str, **labels: str) -> dict[str, Any]:
    values = [(START.timestamp() + 15 * each, str(each)) for each in range(81)]
    return {"metric": {"__name__": name, **labels}, "values": values}


def fill(simulation: ProxiedSimulation) -> None:
    """A simulation with a fault on, whose recorder keeps nothing apart: the worst case."""
    simulation.series = [
        series("up", service="ledger", pod="ledger-1"),
        series("up", service="flags", pod="flags-1"),
        series("flag_value", service="ledger", pod="ledger-1", flag=FLAG),
        series("flags_set", service="flags", target="ledger", flag=FLAG),
    ]
    edges = [("gateway", "ledger", "7"), ("gateway", "flags", "3")]
    simulation.calls = [
        {"metric": {"service": caller, "peer": peer}, "value": [0, count]} for caller, peer, count in edges
    ]
    secret = {"firedrill.dev/run": FLAG}
    simulation.records = {
        "logs": [
            row(1, service="ledger", pod="ledger-1", line='{"level":"info","msg":"request","trace_id":"t"}'),
            row(2, service="ledger", pod="ledger-1", line=f'{{"msg":"flags changed","flags":["{FLAG}"]}}'),
            row(3, service="flags", pod="flags-1", line=FLAG),
            row(11, service="ledger", pod="ledger-1", line='{"msg":"request","error":"the flag failure is set"}'),
            row(25, service="ledger", pod="ledger-1", line="after the window"),
        ],
        "events": [
            row(1, kind="Pod", name="ledger-1", reason="Killing", controller="kubelet"),
            row(2, kind="Pod", name="ledger-1", reason=FLAG, controller="firedrill.dev/runner"),
            row(3, kind="Pod", name="flags-1", reason=FLAG),
        ],
        "changes": [
            row(1, kind="Deployment", name="ledger", manager="kubectl", patch={"spec": {"annotations": secret}}),
            row(2, kind="ConfigMap", name="flags", manager="kubectl", patch={"data": {"flags.json": FLAG}}),
            row(3, kind="Deployment", name="ledger", manager="firedrill", patch={"why": FLAG}),
        ],
        "pods": [row(1, service="ledger", pod="ledger-1", restarts=1), row(2, service="flags", pod="flags-1")],
        "truth": [
            row(-60, record="flags", document=json.dumps({"flags": [{"service": "*", "name": FLAG, "value": 4}]})),
            row(5, record="flags", document='{"flags":[]}'),
        ],
    }
    simulation.experiments = [
        {
            "metadata": {"name": "kill", "namespace": "drills"},
            "spec": {"target": {"namespace": "bank", "matchLabels": {"app": "ledger"}}, "fault": {"podKill": {}}},
            "status": {
                "lastRun": {"id": "1", "startedAt": at(2), "finishedAt": at(4)},
                "clusters": [{"name": "f", "clusterUid": "here", "verdict": "Passed", "findings": []}],
            },
        }
    ]


@pytest.fixture
def simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxiedSimulation]:
    made = ProxiedSimulation()
    fill(made)
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig(tmp_path / "kubeconfig")))
    monkeypatch.chdir(tmp_path)
    yield made
    made.close()


def export(*more: str, namespace: str = "bank") -> int:
    return main(["telemetry", "export", "--namespace", namespace, *more])


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


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[fs.S3FileSystem]:
    with moto_server() as endpoint:
        credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-west-1"}
        for name, value in {**credentials, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        files = fs.S3FileSystem(endpoint_override=endpoint, region="eu-west-1", allow_bucket_creation=True)
        files.create_dir("features")
        yield files


@pytest.mark.skipif(MOTO_SERVER is None, reason="needs the command moto_server, of moto[server], on PATH")
def test_s3_holds_the_same_and_an_export_is_never_mixed_with_another(
    simulation: ProxiedSimulation, bucket: fs.S3FileSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--output", "s3://features/bank/1", "--truth", "s3://features/truth/1"]
    assert export(*WINDOW, *places) == 0
    with bucket.open_input_file("features/bank/1/metrics.parquet") as stream:
        assert pq.read_table(stream).num_rows == 81
    with bucket.open_input_file("features/truth/1/flags.parquet") as stream:
        assert pq.read_table(stream).num_rows == 1
    assert export(*WINDOW, *places) == 64
    assert "--output s3://features/bank/1: is not empty" in capsys.readouterr().err
    assert export(*WINDOW, "--output", "s3://no-such-bucket/x") == 64
    assert "--output s3://no-such-bucket/x" in capsys.readouterr().err


def test_s3_that_does_not_answer_ends_with_3(simulation: ProxiedSimulation, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert export(*WINDOW, "--output", "s3://features/x") == 3
