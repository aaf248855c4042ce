"""What is said of a table that can not be had: the place first, then the line, row, column or event."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from firedrill.api.data import DataSource
from firedrill.api.errors import describe
from firedrill.api.tableformat import TableFormat
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError
from firedrill.sources.messages import parse_messages
from firedrill.sources.parse import parse_bytes
from firedrill.sources.read import read_table


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def arrow(**columns: Any) -> bytes:
    sink = io.BytesIO()
    table = pa.table(columns)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


REQUEST = "org.kubeflow.serving.inference.request"


def event(data: Any, kind: str = REQUEST, **fields: Any) -> bytes:
    return json.dumps({"id": "1", "type": kind, "data": data, **fields}).encode()


def captured(text: str, encoding: str = "CSV", output: str | None = "1") -> bytes:
    sides = {"endpointInput": {"data": text, "encoding": encoding}}
    if output is not None:
        sides["endpointOutput"] = {"data": output, "encoding": "CSV"}
    return json.dumps({"captureData": sides, "eventMetadata": {"eventId": "e"}}).encode()


FILES: list[tuple[str, bytes, str]] = [
    ("csv", b"", "the file is empty; a header line is needed"),
    ("csv", b"\xef\xbb\xbf", "the file is empty; a header line is needed"),
    ("csv", b"a,b\n1,2\n3\n", "row 3: expected 2 columns, got 1"),
    ("csv", b"a,b\n1,2,3\n", "row 2: expected 2 columns, got 3"),
    ("csv", b"a\n\x00\x01\n", "not CSV but binary data"),
    ("csv", gzip.compress(b"a\n1\n"), "compressed files are not read"),
    ("jsonl", gzip.compress(b'{"a":1}\n'), "compressed files are not read"),
    ("jsonl", b'{"a": 1}\n{"a": \n', "line 2: not JSON"),
    ("jsonl", b'{"a": 1}\n\n[1, 2]\n', "line 3: not a JSON object but list"),
    ("jsonl", b"5\n", "line 1: not a JSON object but int"),
    ("jsonl", b"[" * 5000, "line 1: not JSON: nested too deeply"),
    ("parquet", b"", "not a Parquet file"),
    ("parquet", b"PAR1", "not a Parquet file"),
    ("parquet", parquet(a=[1, 2, 3])[:-9], "not a Parquet file"),
    ("parquet", b"a,b\n1,2\n", "not a Parquet file"),
    ("arrow", b"", "not an Arrow file"),
    ("arrow", arrow(a=list(range(1000)))[:-40], "not an Arrow file"),
    ("arrow", parquet(a=[1]), "not an Arrow file"),
    ("lines", b"fine\nZ\xfcrich\n", "line 2: not text in UTF-8"),
    ("hl7", b"MSH|^~\\&|\rPID|M\xfcller\r", "not text in UTF-8"),
    ("kserveLog", b'{"a": 1}\n', "line 1: not an event of KServe's logger"),
    ("kserveLog", event({"instances": "x"}), "line 1: data has none of instances, predictions, inputs, outputs"),
    ("kserveLog", event("<html>"), "line 1: the body of the event is not JSON"),
    ("kserveLog", json.dumps({"id": "1", "type": REQUEST}).encode(), "line 1: the event has neither data nor"),
    ("kserveLog", json.dumps({"id": "1", "type": REQUEST, "data_base64": "%"}).encode(), "not base64"),
    (
        "kserveLog",
        event({"instances": [[1], [2]]}) + b"\n" + event({"predictions": [1]}, REQUEST.replace("request", "response")),
        "line 2: 1 predictions for 2 instances",
    ),
    (
        "kserveLog",
        event({"inputs": [{"name": "x", "shape": [2, 2], "data": [1, 2, 3]}]}),
        "shape [2, 2] does not fit 3",
    ),
    ("kserveLog", event({"inputs": [{"name": "x"}]}), "line 1: a tensor without data"),
    (
        "kserveLog",
        event({"inputs": [{"name": "x", "data": [1]}, {"name": "y", "data": [1, 2]}]}),
        "line 1: tensors of different batches: [1, 2] rows",
    ),
    ("sagemakerCapture", b'{"captureData": {}}\n', "line 1: not an event of data capture"),
    ("sagemakerCapture", b'{"captureData": {}, "eventMetadata": {}}\n', "the capture of inputs is off"),
    ("sagemakerCapture", captured("1,2", "AVRO"), "endpointInput.encoding 'AVRO' is not CSV, JSON or BASE64"),
    ("sagemakerCapture", captured("1,2\n3,4"), "line 1: 1 predictions for 2 instances"),
    ("sagemakerCapture", captured("{", "JSON"), "line 1: the body of the event is not JSON"),
]


async def read(source: dict[str, Any], base: Path, **context: Any) -> Any:
    async with httpx.AsyncClient() as http:
        given = SourceContext(http, allow_files=True, base_dir=base, **context)
        return await read_table(DataSource.model_validate(source), given, "spec.current")


@pytest.mark.parametrize(("kind", "content", "said"), FILES, ids=[f"{kind}: {said}" for kind, _, said in FILES])
async def test_a_file_that_is_no_table(kind: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(SourceError) as caught:
        await read({"file": {"path": "data", "format": kind}}, tmp_path)
    assert str(caught.value).startswith("spec.current.file.path: 'data': ")
    assert said in str(caught.value)


TIMES = "id,at,n\n1,2025-01-01T00:00:00Z,5\n2,yesterday,6\n"
DERIVED: list[tuple[dict[str, Any], str]] = [
    ({"window": {"column": "at", "last": "1h"}}, "window.column: column 'at', row 2: not a time"),
    (
        {"window": {"column": "nope", "last": "1h"}},
        "no column 'nope'; there are 'id', 'at', 'n'",
    ),
    (
        {"labels": {"source": {"inline": {"csv": "id,y\n1,0\n"}}, "idColumn": "key"}},
        "labels.idColumn: there is no column 'key'",
    ),
    (
        {"labels": {"source": {"inline": {"csv": "id,n\n1,0\n"}}, "idColumn": "id"}},
        "column 'n' of the labels is in",
    ),
    (
        {"labels": {"source": {"inline": {"csv": "id\n1,0\n"}}, "idColumn": "id"}},
        "labels.source.inline.csv: not CSV",
    ),
    ({"inline": {"csv": "t,t\n1,2\n"}, "window": {"column": "t", "last": "1h"}}, "there are 2 columns 't'"),
    ({"inline": {"csv": "t\ntrue\n"}, "window": {"column": "t", "last": "1h"}}, "column 't' holds no times but bool"),
]


@pytest.mark.parametrize(("fields", "said"), DERIVED)
async def test_windows_and_labels_that_do_not_fit(fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await read({"inline": {"csv": TIMES}, **fields}, tmp_path)
    assert said in str(caught.value)


FOLDERS: list[tuple[dict[str, bytes], str]] = [
    ({}, "there is no file in this folder"),
    ({"_SUCCESS": b""}, "there is no file in this folder"),
    ({"1.csv": b"a,b\n1,2\n", "2.csv": b"a\n1\n"}, "2.csv: there is no column 'b', which 1.csv has"),
    ({"1.csv": b"a\n1\n", "2.csv": b"a,c\n1,2\n"}, "2.csv: there is a column 'c', which 1.csv has not"),
    ({"1.csv": b"a\n1\n", "2.csv": b""}, "2.csv: the file is empty"),
]


@pytest.mark.parametrize(("files", "said"), FOLDERS)
async def test_folders_whose_files_are_not_one_table(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_bytes(content)
    (tmp_path / "set").mkdir(exist_ok=True)
    with pytest.raises(SourceError) as caught:
        await read({"file": {"path": "set"}}, tmp_path)
    assert said in str(caught.value)


async def test_types_that_do_not_go_together_are_told_when_the_column_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.parquet").write_bytes(parquet(a=[1]))
    (tmp_path / "2.parquet").write_bytes(parquet(a=["x"]))
    table = await read({"file": {"path": "."}}, tmp_path)
    with pytest.raises(InvalidTable, match=r"column 'a' is int64 in 1.parquet and string in 2.parquet"):
        table.column(0)


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([b'{"a": 1}', b"{"], TableFormat.JSONL, "offset 1: not JSON"),
        ([b'{"a": 1}', b"5"], TableFormat.JSONL, "offset 1: not a JSON object but int"),
        ([b"\xff\xfe"], TableFormat.LINES, "offset 0: not text in UTF-8: byte 0"),
        ([b"{}"], TableFormat.KSERVE_LOG, "offset 0: not an event of KServe's logger"),
    ],
)
def test_the_message_that_is_wrong_is_named(values: list[bytes], kind: TableFormat, said: str) -> None:
    with pytest.raises(InvalidTable, match=said):
        parse_messages(values, [f"offset {i}" for i in range(len(values))], kind)


SQL = {"host": "db", "database": "shop", "username": "me", "query": "SELECT 1"}
SPECS: list[tuple[dict[str, Any], str]] = [
    ({"inline": {"csv": "a\n"}, "window": {"last": "1h"}}, "window.column must be set"),
    ({"inline": {"csv": "a\n"}, "window": {"column": "t"}}, "set last, or from, until or both"),
    ({"inline": {"csv": "a\n"}, "window": {"column": "t", "offset": "1h", "until": "2025-01-01"}}, "offset needs last"),
    (
        {"inline": {"csv": "a\n"}, "window": {"column": "t", "from": "2025-01-02", "until": "2025-01-01"}},
        "from must be before until",
    ),
    ({"s3": {"bucket": "data"}}, "set exactly one of key, prefix"),
    ({"s3": {"bucket": "UP", "key": "x"}}, "spec.s3.bucket"),
    ({"volume": {"claim": "c", "path": "../x"}}, "must be a path in the volume"),
    ({"sql": {**SQL, "query": "DELETE FROM a"}}, "must begin with SELECT, WITH, VALUES or TABLE"),
    ({"sql": {**SQL, "username": None}}, "set username, secretRef or both"),
    ({"kafka": {"host": "k", "topic": "t", "format": "parquet"}}, "must be jsonl, lines, hl7"),
    ({"kafka": {"host": "k", "topic": "t", "lastMessages": 5}, "window": {"last": "1h"}}, "not both"),
    ({"kafka": {"host": "k", "topic": "no topic"}}, "spec.kafka.topic"),
    ({"prometheus": {"url": "http://p", "query": "up"}}, "prometheus needs a window"),
    ({"prometheus": {"url": "http://p", "query": "up", "step": "1ms"}, "window": {"last": "1h"}}, "at least 1s"),
    ({"inline": {"csv": "a"}, "http": {"url": "http://x"}}, "set exactly one of inline, configMap"),
]


@pytest.mark.parametrize(("source", "said"), SPECS)
def test_a_source_that_can_not_be_meant(source: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DataSource.model_validate(source)
    assert said in describe(caught.value)


def test_odd_values_are_data_all_the_same() -> None:
    table = parse_bytes("\ufeffa,b\nNaN,\n1e400,Zürich\n".encode(), TableFormat.CSV)
    assert table.column(0).to_pylist() == [None, float("inf")]
    assert list(table.names) == ["a", "b"]
    assert parse_bytes(b'{"a": {"b": [1, {"c": 2}]}}', TableFormat.JSONL).num_rows == 1
