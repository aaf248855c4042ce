"""Windows, labels that come later, folders of files, and inference logs: what they make of a table."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.data import DataSource, claims_of
from firedrill.api.tableformat import TableFormat
from firedrill.api.window import TimeWindow
from firedrill.sources.context import SourceContext
from firedrill.sources.derived import RenamedTable, WindowedTable
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.parse import parse_bytes
from firedrill.sources.read import open_table, read_table
from firedrill.sources.table import MemoryTable, SourceTable

NOW = datetime(2025, 1, 15, 10, tzinfo=UTC)


def rows(table: SourceTable) -> list[dict[str, Any]]:
    columns = [table.column(i).to_pylist() for i in range(len(table.names))]
    assert all(len(column) == table.num_rows for column in columns)
    return [dict(zip(table.names, row, strict=True)) for row in zip(*columns, strict=True)]


async def read(source: dict[str, Any], handler: Any = None, **context: Any) -> list[dict[str, Any]]:
    transport = httpx.MockTransport(handler or (lambda _: httpx.Response(500)))
    async with httpx.AsyncClient(transport=transport) as http:
        given = SourceContext(http, now=NOW, **context)
        return rows(await read_table(DataSource.model_validate(source), given, "spec.current"))


@pytest.mark.parametrize(
    ("times", "window", "kept"),
    [
        (["2025-01-15T09:00:00Z", "2025-01-15T08:59:59Z", "2025-01-15T10:00:00Z"], {"last": "1h"}, [0]),
        (["2025-01-08 09:30:00", "2025-01-15 09:30:00"], {"last": "1h", "offset": "168h"}, [0]),
        (["2025-01-15T10:30:00+01:00", "2025-01-15T10:30:00+00:00"], {"last": "1h"}, [0]),
        ([1736933400, 1736900000], {"last": "1h"}, [0]),
        ([1736933400000, None], {"last": "1h"}, [0]),
        (["2025-01-01", "2025-01-03"], {"from": "2025-01-02"}, [1]),
        (["2025-01-01", "2025-01-03"], {"until": "2025-01-03"}, [0]),
        (["2025-01-01T00:00:00Z", "2025-01-03 00:00"], {"from": "2025-01-01", "until": "2025-01-04"}, [0, 1]),
    ],
)
async def test_a_window_keeps_the_rows_of_its_time(times: list[Any], window: dict[str, Any], kept: list[int]) -> None:
    lines = "".join(f"{at if at is not None else ''},{i}\n" for i, at in enumerate(times))
    found = await read({"inline": {"csv": f"at,n\n{lines}"}, "window": {"column": "at", **window}})
    assert [row["n"] for row in found] == kept


@given(st.lists(st.integers(0, 2_000_000_000)), st.integers(0, 2_000_000_000), st.integers(1, 10**6))
def test_a_window_is_half_open(seconds: list[int], start: int, length: int) -> None:
    table = MemoryTable(pa.table({"t": pa.array(seconds, pa.timestamp("s"))}))
    first, end = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(start + length, UTC)
    windowed = WindowedTable(table, "t", first, end)
    assert windowed.num_rows == sum(start <= each < start + length for each in seconds)
    assert len(windowed.column(0)) == windowed.num_rows


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=900)), st.timedeltas(timedelta(), timedelta(days=900)))
def test_a_relative_window_is_as_long_as_it_says(last: timedelta, offset: timedelta) -> None:
    start, end = TimeWindow(last=last, offset=offset).span(NOW)
    assert start is not None
    assert end is not None
    assert (end - start, NOW - end) == (last, offset)


async def test_labels_are_joined_where_they_are_known_and_the_last_one_counts() -> None:
    labels = {"source": {"inline": {"csv": "id,fraud\n3,0\n1,0\n1,1\n,1\n"}}, "idColumn": "id"}
    found = await read({"inline": {"csv": "id,amount\n1,10\n2,20\n3,30\n"}, "labels": labels})
    assert [row["fraud"] for row in found] == [1, None, 0]
    assert list(found[0]) == ["id", "amount", "fraud"]


async def test_identifiers_agree_whatever_their_type(tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text('{"id": "7", "y": true}\n')
    labels = {"source": {"file": {"path": "labels.jsonl"}}, "idColumn": "id"}
    found = await read({"inline": {"csv": "id\n7\n"}, "labels": labels}, allow_files=True, base_dir=tmp_path)
    assert found == [{"id": 7, "y": True}]


async def test_a_folder_is_one_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "part-1.parquet")
    pq.write_table(pa.table({"b": ["y"], "a": [2.5]}), tmp_path / "part-2.parquet")
    (tmp_path / "_SUCCESS").touch()
    found = await read({"file": {"path": str(tmp_path)}}, allow_files=True)
    assert found == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": "y"}]


async def test_a_volume_is_read_below_its_claim_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "x.csv").write_text("a\n1\n")
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (tmp_path / "set" / "out.csv").symlink_to(tmp_path / "secret.csv")

    async def find(claim: str) -> Path:
        if claim == "other":
            raise PermissionError("it is not meant for resources of namespace team")
        if claim != "set":
            raise LookupError(claim)
        return tmp_path / "set"

    assert await read({"volume": {"claim": "set", "path": "x.csv"}}, find_volume=find) == [{"a": 1}]
    for volume, reason in (
        ({"claim": "set", "path": "out.csv"}, SourceReason.NOT_ALLOWED),
        ({"claim": "set", "path": "no.csv"}, SourceReason.NOT_FOUND),
        ({"claim": "nope", "path": "x.csv"}, SourceReason.NOT_FOUND),
        ({"claim": "other", "path": "x.csv"}, SourceReason.NOT_ALLOWED),
    ):
        with pytest.raises(SourceError) as caught:
            await read({"volume": volume}, find_volume=find)
        assert caught.value.reason is reason


def test_claims_are_found_wherever_a_spec_names_them() -> None:
    volume = {"volume": {"claim": "a", "path": "x"}}
    labels = {"source": {"volume": {"claim": "b", "path": "x"}}, "idColumn": "id"}
    assert claims_of([DataSource.model_validate({**volume, "labels": labels})]) == {"a", "b"}


def test_arrow_files_and_streams_are_read() -> None:
    table = pa.table({"a": [1, 2]})
    for make in (pa.ipc.new_file, pa.ipc.new_stream):
        sink = pa.BufferOutputStream()
        with make(sink, table.schema) as writer:
            writer.write_table(table)
        assert parse_bytes(sink.getvalue().to_pybytes(), TableFormat.ARROW).column(0).to_pylist() == [1, 2]


def test_hl7_messages_are_told_apart_however_they_are_framed() -> None:
    text = "\x0bMSH|^~\\&|a\rPID|1\r\x1c\rMSH|^~\\&|b\r\nPID|2\r\n"
    found = parse_bytes(text.encode(), TableFormat.HL7).column(0).to_pylist()
    assert found == ["MSH|^~\\&|a\rPID|1\r", "MSH|^~\\&|b\rPID|2\r"]


def lines(*events: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(event) for event in events).encode()


REQUEST, RESPONSE = (f"org.kubeflow.serving.inference.{each}" for each in ("request", "response"))


@pytest.mark.parametrize(
    ("data", "answer", "expected"),
    [
        (
            {"instances": [[1, 2], [3, 4]]},
            {"predictions": [0, 1]},
            [{"feature_0": 1, "feature_1": 2, "prediction": 0}, {"feature_0": 3, "feature_1": 4, "prediction": 1}],
        ),
        ({"instances": [{"age": 5, "in": {"x": 1}}]}, {"predictions": [[0.2, 0.8]]}, [
            {"age": 5, "in": '{"x": 1}', "prediction_0": 0.2, "prediction_1": 0.8}
        ]),
        (
            {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}]},
            {"outputs": [{"name": "y", "shape": [2], "datatype": "INT64", "data": [7, 8]}]},
            [{"feature_0": 1, "feature_1": 2, "prediction": 7}, {"feature_0": 3, "feature_1": 4, "prediction": 8}],
        ),
        (
            {"inputs": [{"name": "age", "shape": [1, 1], "data": [[30]]}, {"name": "sex", "data": ["f"]}]},
            {"outputs": [{"name": "label", "shape": [1, 1], "data": [1]}, {"name": "p", "data": [0.9]}]},
            [{"age": 30, "sex": "f", "label": 1, "p": 0.9}],
        ),
    ],
)  # fmt: skip
def test_the_log_of_kserve_in_both_protocols(data: Any, answer: Any, expected: list[dict[str, Any]]) -> None:
    body = base64.b64encode(json.dumps(answer).encode()).decode()
    log = lines(
        {"id": "r", "type": RESPONSE, "data_base64": body},
        {"id": "r", "type": REQUEST, "time": "2025-01-01T00:00:00Z", "data": data},
    )
    found = rows(parse_bytes(log, TableFormat.KSERVE_LOG))
    assert found == [{"id": "r", "time": "2025-01-01T00:00:00Z", **each} for each in expected]


def test_a_request_whose_response_was_not_logged_has_no_prediction() -> None:
    log = lines(
        {"id": "a", "type": REQUEST, "data": {"instances": [[1]]}},
        {"id": "b", "type": REQUEST, "data": {"instances": [[2]]}},
        {"id": "b", "type": RESPONSE, "data": {"predictions": [5]}},
        {"id": "c", "type": RESPONSE, "data": {"predictions": [5]}},
    )
    found = rows(parse_bytes(log, TableFormat.KSERVE_LOG))
    assert [(row["feature_0"], row["prediction"]) for row in found] == [(1, None), (2, 5)]


async def test_the_capture_of_sagemaker_with_names_for_its_features(tmp_path: Path) -> None:
    def event(number: int, given: str, encoding: str, answer: str) -> dict[str, Any]:
        sides = {
            "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": given, "encoding": encoding},
            "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": answer, "encoding": "CSV"},
        }
        meta = {"eventId": f"e{number}", "inferenceTime": "2025-01-15T09:30:00Z"}
        return {"captureData": sides, "eventMetadata": meta, "eventVersion": "0"}

    path = tmp_path / "capture.jsonl"
    path.write_bytes(
        lines(
            event(1, "41,1_0", "CSV", "0.25\n"),
            event(2, base64.b64encode(b"42,fr\n43,").decode(), "BASE64", "0.5\n0.75"),
            event(3, '[[44, "it"]]', "JSON", "1"),
        )
    )
    source = {
        "file": {"path": "capture.jsonl", "format": "sagemakerCapture"},
        "featureNames": ["age", "country"],
        "window": {"column": "time", "last": "1h"},
    }
    found = await read(source, allow_files=True, base_dir=tmp_path)
    assert [(row["id"], row["age"], row["country"], row["prediction"]) for row in found] == [
        ("e1", 41, "1_0", 0.25),
        ("e2", 42, "fr", 0.5),
        ("e2", 43, None, 0.75),
        ("e3", 44, "it", 1),
    ]


async def test_prometheus_gives_a_row_a_sample_of_the_window() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(httpx.QueryParams(request.content.decode())))
        series = {"metric": {"pod": "a", "value": "odd"}, "values": [[1736330400, "1.5"], [1736330460, "NaN"]]}
        return httpx.Response(200, json={"status": "success", "data": {"result": [series]}})

    source = {"prometheus": {"url": "http://p", "query": "up"}, "window": {"last": "1h", "offset": "168h"}}
    found = await read(source, answer)
    assert [(row["value"], row["pod"], row["label_value"]) for row in found] == [(1.5, "a", "odd"), (None, "a", "odd")]
    assert found[0]["time"] == datetime(2025, 1, 8, 10, tzinfo=UTC)
    assert [(each["start"], each["end"]) for each in asked] == [("1736326800.000", "1736330399.999")]


async def test_a_query_that_prometheus_refuses_names_its_field() -> None:
    refused = httpx.Response(400, json={"status": "error", "error": "parse error: unexpected end of input"})
    source = {"prometheus": {"url": "http://p", "query": "up{"}, "window": {"last": "1h"}}
    with pytest.raises(SourceError, match=r"spec.current.prometheus.query: parse error") as caught:
        await read(source, lambda _: refused)
    assert caught.value.reason is SourceReason.INVALID_DATA


async def test_a_table_in_pieces_has_the_same_rows(tmp_path: Path) -> None:
    for part in range(3):
        days = [f"2025-01-{10 + part * 2 + i // 10:02d}" for i in range(20)]
        table = pa.table({"id": list(range(part * 20, part * 20 + 20)), "at": days, "f": [0.5] * 20})
        # The second file has its columns in another order, the third one row group.
        table = table.select(["f", "at", "id"]) if part == 1 else table
        pq.write_table(table, tmp_path / f"{part}.parquet", row_group_size=20 if part == 2 else 7)
    labels = "".join(f"{i},{i % 2}\n" for i in range(0, 60, 3))
    source = {
        "file": {"path": str(tmp_path)},
        "window": {"column": "at", "from": "2025-01-11", "until": "2025-01-15"},
        "labels": {"source": {"inline": {"csv": f"id,label\n{labels}"}}, "idColumn": "id"},
    }
    async with httpx.AsyncClient() as http:
        context = SourceContext(http, now=NOW, allow_files=True)
        table = await open_table(DataSource.model_validate(source), context, "spec.current")
        assert table.rows_at_most == 60
        pieces = table.pieces()
        assert [piece.rows_at_most for piece in pieces] == [7, 7, 6, 7, 7, 6, 20]
        assert [list(piece.names) for piece in pieces] == [["id", "at", "f", "label"]] * 7
        assert [row for piece in pieces for row in rows(piece)] == await read(source, allow_files=True)
        assert sum(piece.num_rows for piece in pieces) == table.num_rows == 40


def test_names_of_other_features_are_those_of_the_pieces_too() -> None:
    table = RenamedTable(MemoryTable(pa.table({"feature_0": [1, 2]})), ["amount"])
    assert [rows(piece) for piece in table.pieces()] == [[{"amount": 1}, {"amount": 2}]]
    assert table.rows_at_most == 2
