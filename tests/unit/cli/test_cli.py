"""The command line as a person uses it, wrong input first of all."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firedrill.api.task import Result, Task
from firedrill.cli import main as entry_point
from firedrill.cli import offline
from firedrill.cli.main import main
from firedrill.sources.context import SourceContext

HEAD = "apiVersion: firedrill.dev/v1alpha1\nkind: DriftCheck\nmetadata: {name: %s}\nspec:\n"
SAME = "  reference: {file: {path: ref.csv}}\n  current: {file: {path: same.csv}}\n"
DRIFTED = "  reference: {file: {path: ref.csv}}\n  current: {file: {path: drifted.csv}}\n"
CLUSTERS = "  clusters: {names: [finance]}\n"


def write_csv(path: Path, shift: float, rows: int = 200) -> None:
    rng = np.random.default_rng(7)
    lines = [f"{rng.normal(shift):.3e},{'abc'[i % 3]}" for i in range(rows)]
    path.write_text("amount,city\n" + "\n".join(lines) + "\n")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "ref.csv", 0)
    write_csv(tmp_path / "same.csv", 0)
    write_csv(tmp_path / "drifted.csv", 2)
    write_csv(tmp_path / "few.csv", 0, 20)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "code", "drift"), [("same.csv", 0, False), ("drifted.csv", 1, True), ("few.csv", 2, False)]
)
def test_drift_prints_json_alone_and_tells_by_its_exit_code(
    place: Path, capsys: pytest.CaptureFixture[str], file: str, code: int, drift: bool
) -> None:
    assert main(["drift", "ref.csv", file, "-o", "json"]) == code
    body = json.loads(capsys.readouterr().out)
    assert body["drift"] is drift
    assert {column["name"] for column in body["columns"]} == {"amount", "city"}


def test_drift_reads_parquet_and_json_lines(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.table({"amount": np.random.default_rng(1).normal(size=150), "city": list("abc") * 50})
    pq.write_table(table, place / "x.parquet")
    (place / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    assert main(["drift", "x.parquet", "x.jsonl", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "Passed"


def test_drift_takes_columns_and_limits(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "ref.csv", "drifted.csv", "--exclude", "amount"]) == 0
    assert main(["drift", "ref.csv", "drifted.csv", "--include", "city"]) == 0
    assert main(["drift", "ref.csv", "drifted.csv", "--min-ks", "1", "--no-joint"]) == 0
    assert main(["drift", "ref.csv", "few.csv", "--min-rows", "10"]) == 0
    assert main(["drift", "ref.csv", "same.csv", "--categorical", "city", "amount"]) == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["drift", "ref.csv", "nope.csv"], "nope.csv: No such file"),
        (["drift", "ref.csv", "."], ".: Is a directory"),
        (["drift", "ref.csv", "empty.csv"], "empty.csv: the file is empty"),
        (["drift", "ref.csv", "ragged.csv"], "ragged.csv: not CSV"),
        (["drift", "ref.csv", "same.csv", "--format", "parquet"], "not a Parquet file"),
        (["drift", "ref.csv", "same.csv", "--include", "nope"], "--include names 'nope'"),
        (["drift", "ref.csv", "same.csv", "--alpha", "2"], "--alpha: "),
        (["drift", "ref.csv", "same.csv", "--alpha", "x"], "'x' is not a number"),
        (["drift", "ref.csv", "same.csv", "--min-rows", "1"], "--min-rows: "),
        (["drift", "ref.csv"], "CURRENT"),
        (["drift", "-", "-"], "only one of"),
        (["drift", "ref.csv", "same.csv", "-o", "xml"], "xml"),
        (["drift", "ref.csv", "same.csv", "--output-file", "no/where"], "no/where: can not be written"),
        ([], "COMMAND"),
        (["nope"], "nope"),
        (["run"], "-f"),
        (["target", "add"], "--context"),
        (["lab", "nope"], "nope"),
        (["operator", "nope"], "nope"),
        (["runner"], "--task"),
    ],
)
def test_wrong_arguments_end_with_64_and_say_which(
    place: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    (place / "empty.csv").write_text("")
    (place / "ragged.csv").write_text("a,b\n1,2,3\n")
    assert main(argv) == 64
    out = capsys.readouterr()
    assert said in out.err
    assert out.out == ""
    assert "Traceback" not in out.err


def test_run_offline_gives_the_worst_verdict(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "c.yaml").write_text(HEAD % "one" + SAME + "---\n" + HEAD % "two" + DRIFTED)
    assert main(["run", "--offline", "-f", "c.yaml", "-o", "json"]) == 1
    out = capsys.readouterr()
    body = json.loads(out.out)
    assert [item["verdict"] for item in body["results"]] == ["Passed", "Failed"]
    assert "DriftCheck two: Failed (DriftDetected)" in out.err


def test_run_offline_finds_files_beside_the_document(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "c.yaml").write_text(HEAD % "one" + SAME)
    monkeypatch.chdir("/")
    assert main(["run", "--offline", "-f", str(place / "c.yaml")]) == 0


def test_run_offline_reads_config_maps_from_the_same_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = "".join(f"    {line}\n" for line in (place / "ref.csv").read_text().splitlines())
    maps = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: data}}\ndata:\n  x.csv: |\n{csv}---\n"
    source = "{configMap: {name: data, key: x.csv}}"
    (place / "c.yaml").write_text(maps + HEAD % "one" + f"  reference: {source}\n  current: {source}\n")
    assert main(["run", "--offline", "-f", "c.yaml"]) == 0


def test_run_offline_tells_a_source_that_is_missing_as_a_verdict(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "c.yaml").write_text(HEAD % "one" + SAME.replace("same.csv", "gone.csv"))
    assert main(["run", "--offline", "-f", "c.yaml", "-o", "json"]) == 2
    assert "spec.current.file.path: there is no file 'gone.csv'" in capsys.readouterr().out


def test_run_offline_keeps_the_results_of_others_when_one_run_breaks(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = offline.RUNNERS["DriftCheck"]

    async def broken(task: Task, context: SourceContext) -> Result:
        if task.name == "one":
            raise ZeroDivisionError("a value")
        return await whole(task, context)

    monkeypatch.setitem(offline.RUNNERS, "DriftCheck", broken)
    (place / "c.yaml").write_text(HEAD % "one" + SAME + "---\n" + HEAD % "two" + SAME)
    assert main(["run", "--offline", "-f", "c.yaml", "-o", "json"]) == 3
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(each["verdict"], each["reason"]) for each in results] == [
        ("Error", "RunnerCrashed"),
        ("Passed", "NoDrift"),
    ]
    assert results[0]["message"] == "the runner failed: ZeroDivisionError"


@pytest.mark.parametrize("output", ["table", "json", "junit", "html"])
def test_results_can_go_to_a_file(place: Path, capsys: pytest.CaptureFixture[str], output: str) -> None:
    (place / "c.yaml").write_text(HEAD % "one" + DRIFTED)
    assert main(["run", "--offline", "-f", "c.yaml", "-o", output, "--output-file", "out"]) == 1
    assert capsys.readouterr().out == ""
    text = (place / "out").read_text()
    assert "DriftDetected" in text
    if output == "junit":
        ElementTree.fromstring(text.split("?>", 1)[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2\n", "line 2, column 2"),
        ("kind: DriftCheck\nkind: DriftCheck\n", "line 2, column 1: the key 'kind' is given twice"),
        ("", "no document in it"),
        ("---\n---\n", "no document in it"),
        ("just text\n", "line 1: not a resource, but str"),
        ("[1, 2]\n", "not a resource, but list"),
        ("kind: Pod\n", "kind: 'Pod' is not one of"),
        ("kind: DriftCheck\napiVersion: v1\n", "apiVersion: 'v1' is not 'firedrill.dev/v1alpha1'"),
        ((HEAD % "UPPER") + SAME, "metadata.name: 'UPPER'"),
        ((HEAD % "x")[:-6], "DriftCheck x: spec: must be an object"),
        ((HEAD % "x") + SAME + "  bogus: 1\n", "DriftCheck x: spec.bogus"),
        ((HEAD % "x") + "  reference: {}\n  current: {}\n", "spec.reference: set exactly one of inline"),
        ((HEAD % "x") + SAME + "---\n" + (HEAD % "x") + SAME, "DriftCheck x is given twice"),
        ((HEAD % "x") + SAME + "extra: 1\n", "unknown field extra"),
        ((HEAD % "x") + SAME + "  schedule: 99 * * * *\n", "DriftCheck x: spec.schedule"),
        ((HEAD % "x") + SAME + "  schedule: 0 0 * * *\n  timeZone: America\n", "DriftCheck x: spec.timeZone"),
        ("\x00", "not YAML"),
    ],
)
def test_wrong_documents_end_with_64_and_say_where(
    place: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (place / "c.yaml").write_text(text)
    for argv in (["run", "--offline", "-f", "c.yaml"], ["validate", "--offline", "-f", "c.yaml"]):
        assert main(argv) == 64
        err = capsys.readouterr().err
        assert said in err
        assert "c.yaml" in err or "twice" in said
        assert "Traceback" not in err


def test_every_problem_of_every_document_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "a.yaml").write_text(HEAD % "one" + SAME + "  timeout: soon\n  bogus: 1\n")
    (place / "b.yaml").write_text("kind: Pod\n")
    assert main(["validate", "-f", "a.yaml", "-f", "b.yaml", "-f", "c.yaml"]) == 64
    err = capsys.readouterr().err
    for part in ("spec.clusters", "spec.timeout", "spec.bogus", "b.yaml: line 1", "c.yaml: No such file"):
        assert part in err


def test_validate_says_what_is_valid(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "c.yaml").write_text(HEAD % "one" + CLUSTERS + SAME)
    assert main(["validate", "-f", "c.yaml"]) == 0
    assert capsys.readouterr().out == "c.yaml: DriftCheck one: valid\n"


def test_kinds_that_need_a_cluster_are_refused_before_anything_runs(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chaos = (HEAD % "fix").replace("DriftCheck", "AutoFix") + "  target: {deployment: {namespace: a, name: b}}\n"
    (place / "c.yaml").write_text(HEAD % "one" + SAME + "---\n" + chaos)
    assert main(["run", "--offline", "-f", "c.yaml"]) == 64
    out = capsys.readouterr()
    assert "AutoFix fix can not run offline: it repairs a Deployment of a cluster" in out.err
    assert "running" not in out.err


def test_a_document_can_come_from_standard_input(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(HEAD % "one" + SAME))
    assert main(["run", "--offline", "-f", "-"]) == 0


def test_a_bug_ends_as_error_and_not_as_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(entry_point, "_parse_and_run", broken)
    assert main(["drift"]) == 3
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_help_and_version_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--help"], ["run", "--help"], ["drift", "--help"], ["validate", "--help"], ["--version"]):
        assert main(argv) == 0
    assert "exit codes" in capsys.readouterr().out


@pytest.mark.system
def test_the_installed_program_reads_a_pipe_and_keeps_its_output_clean(place: Path) -> None:
    with (place / "drifted.csv").open("rb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "firedrill.cli.main", "drift", "ref.csv", "-", "-o", "json"],
            stdin=stream,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["drift"] is True
    assert done.stderr == b""


def test_drift_of_two_files_imports_no_other_kind() -> None:
    """All kinds take longer to import than two small tables to compare."""
    program = (
        "import sys; from firedrill.cli.main import build_parser; build_parser('drift'); "
        "print([m for m in ('firedrill.api.kinds', 'kopf', 'kubernetes', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
