"""CSV, Parquet and JSON lines, as they are found in the wild."""

import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.tableformat import TableFormat
from firedrill.sources.errors import InvalidTable
from firedrill.sources.parse import format_of, parse_bytes, parse_file
from firedrill.sources.table import SourceTable


def csv(text: str | bytes) -> SourceTable:
    return parse_bytes(text if isinstance(text, bytes) else text.encode(), TableFormat.CSV)


def jsonl(text: str) -> SourceTable:
    return parse_bytes(text.encode(), TableFormat.JSONL)


def values(table: SourceTable, name: str) -> list[Any]:
    found: list[Any] = table.column(list(table.names).index(name)).to_pylist()
    return found


def test_types_are_inferred_and_blanks_are_null() -> None:
    table = csv("n,e,t,b\n1,9.77e-02,x,true\n,-1E3,,\n3,NaN,null,false\n")
    assert values(table, "n") == [1, None, 3]
    assert values(table, "e") == [0.0977, -1000.0, None]
    assert values(table, "t") == ["x", None, None]
    assert values(table, "b") == [True, None, False]


def test_a_type_that_changes_far_down_is_seen() -> None:
    rows = "".join(f"{i}\n" for i in range(900_000))
    assert values(csv(f"n\n{rows}1.5\n"), "n")[-1] == 1.5
    assert values(csv(f"n\n{rows}?\n"), "n")[-1] == "?"


@pytest.mark.parametrize("head", ["a;b\n1;2\n", "a\tb\n1\t2\n", "a|b\n1|2\n", "\ufeffa,b\n1,2\n", "a,b\r\n1,2\r\n"])
def test_delimiters_marks_and_line_ends(head: str) -> None:
    table = csv(head)
    assert list(table.names) == ["a", "b"]
    assert values(table, "b") == [2]


def test_quoted_line_ends_and_delimiters_are_data() -> None:
    assert values(csv('a,b\n"x,\ny",1\n'), "a") == ["x,\ny"]


def test_other_encodings_are_read() -> None:
    assert values(csv("a\nZürich\n".encode("latin-1")), "a") == ["Zürich"]
    assert values(csv("a\nZürich\n".encode("utf-16")), "a") == ["Zürich"]
    assert list(csv("Größe\n1\n".encode("latin-1")).names) == ["Größe"]


def test_a_header_alone_is_a_table_without_rows() -> None:
    table = csv("a,b\n")
    assert (list(table.names), table.num_rows) == (["a", "b"], 0)


def test_repeated_names_are_kept_apart_by_position() -> None:
    table = csv("a,a\n1,2\n")
    assert [table.column(i).to_pylist() for i in range(2)] == [[1], [2]]


@pytest.mark.parametrize("text", ["", "  \n", "a,b\n1\n", "a,b\n1,2,3\n"])
def test_what_is_no_csv_is_refused(text: str) -> None:
    with pytest.raises(InvalidTable):
        csv(text)


def test_the_row_that_is_wrong_is_named() -> None:
    with pytest.raises(InvalidTable, match="row 3: expected 2 columns, got 3") as raised:
        csv("a,b\n1,2\nJane Doe,1970-01-01,4111111111111111\n")
    assert not any(part in str(raised.value) for part in ("Jane", "1970", "4111"))


@pytest.mark.parametrize("head", ["<!DOCTYPE html>", "\ufeff\n<html lang='en'>"])
@pytest.mark.parametrize("kind", [TableFormat.CSV, TableFormat.LINES, TableFormat.JSONL])
def test_a_page_for_people_is_no_table(head: str, kind: TableFormat, tmp_path: Path) -> None:
    page = f"{head}\n<title>Log in</title>\n".encode()
    (tmp_path / "page").write_bytes(page)
    for read in (lambda: parse_bytes(page, kind), lambda: parse_file(tmp_path / "page", kind)):
        with pytest.raises(InvalidTable, match="HTML page"):
            read()


def test_json_lines_with_fields_that_come_and_go() -> None:
    table = jsonl('{"a": 1, "b": "x"}\n\n{"a": 2.5, "c": true}\n')
    assert values(table, "a") == [1, 2.5]
    assert values(table, "b") == ["x", None]
    assert values(table, "c") == [None, True]


def test_json_fields_of_mixed_types_are_texts() -> None:
    table = jsonl('{"a": 1}\n{"a": "?"}\n{"a": null}\n{"a": [1]}\n')
    assert values(table, "a") == ["1", "?", None, "[1]"]
    assert values(jsonl('{"a": 1}\n{"a": NaN}\n'), "a")[0] == 1.0
    assert values(jsonl('{"a": 1}\n{"a": 1e999}\n'), "a")[1] == float("inf")


def test_json_arrays_and_empty_files() -> None:
    assert values(jsonl('[{"a": 1}, {"a": 2}]'), "a") == [1, 2]
    assert jsonl("").num_rows == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"a": 1}\n{"a": \n', "line 2"), ('{"a": 1}\n5\n', "line 2: not a JSON object but int"), ("[1]", "line 1")],
)
def test_the_line_that_is_no_json_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidTable, match=said):
        jsonl(text)


def test_parquet_is_read_by_column(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"a": [1, None], "a.b": ["x", "y"], "s": [{"x": 1}, {"x": 2}]})
    pq.write_table(table, path)
    read = parse_file(path, None)
    assert (list(read.names), read.num_rows) == (["a", "a.b", "s"], 2)
    assert [read.column(i).to_pylist() for i in range(3)] == [[1, None], ["x", "y"], [{"x": 1}, {"x": 2}]]
    assert parse_bytes(path.read_bytes(), TableFormat.PARQUET).column(0).to_pylist() == [1, None]


def test_damaged_parquet_is_refused_early_or_late(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(5000))}), path, compression="zstd")
    data = bytearray(path.read_bytes())
    with pytest.raises(InvalidTable, match="not a Parquet file"):
        parse_bytes(bytes(data[:-20]), TableFormat.PARQUET)
    data[20:2000] = bytes(1980)
    with pytest.raises(InvalidTable, match="column 'a' can not be read"):
        parse_bytes(bytes(data), TableFormat.PARQUET).column(0)


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("x.CSV", b"{", TableFormat.CSV),
        ("x.pq", b"", TableFormat.PARQUET),
        ("x.ndjson", b"", TableFormat.JSONL),
        ("x", b"PAR1", TableFormat.PARQUET),
        ("x", b' {"a":1}', TableFormat.JSONL),
        ("x", b"a,b", TableFormat.CSV),
    ],
)
def test_formats_are_told_by_name_or_content(name: str, head: bytes, kind: TableFormat) -> None:
    assert format_of(Path(name), head) is kind


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(list(TableFormat)))
def test_no_bytes_raise_anything_but_invalid_table(data: bytes, kind: TableFormat) -> None:
    for given_bytes in (data, gzip.compress(data)):
        with suppress(InvalidTable):
            table = parse_bytes(given_bytes, kind)
            for i in range(len(table.names)):
                assert len(table.column(i)) == table.num_rows


@settings(max_examples=200)
@given(st.text(alphabet='a1,;"\n\r.-e \t{}[]:', max_size=80), st.sampled_from([TableFormat.CSV, TableFormat.JSONL]))
def test_no_text_raises_anything_but_invalid_table(text: str, kind: TableFormat) -> None:
    with suppress(InvalidTable):
        parse_bytes(text.encode(), kind)
