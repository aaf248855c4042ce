"""Texts with bytes that are no UTF-8: one changes no other cell, line or column."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.sources.encoding import Mended, mended
from firedrill.sources.jsonl import parse_jsonl
from firedrill.sources.parse import parse_file


@given(st.text(max_size=200), st.integers(1, 9))
def test_utf_8_stays_as_it_is_however_it_is_cut(text: str, size: int) -> None:
    data = text.encode("utf-8", errors="ignore")
    read = io.BufferedReader(Mended(io.BytesIO(data)), buffer_size=size).read()
    assert read == data
    assert mended(data) == data.decode("utf-8-sig")


@given(st.lists(st.sampled_from(["größe", "naïve", "a,b", "\u20ac", "\n"])), st.integers(1, 9))
def test_latin_1_is_read_as_such(words: list[str], size: int) -> None:
    text = " ".join(words).replace("\u20ac", "x")
    data = text.encode("latin-1")
    assert mended(data) == text
    assert io.BufferedReader(Mended(io.BytesIO(data)), buffer_size=size).read().decode() == text


def test_a_stray_byte_changes_no_other_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("größe,city,note\n1,Köln,ok\n2,Zürich,caf".encode() + b"\xe9\n3,Graz,ok\n")
    table = parse_file(path, None)
    assert list(table.names) == ["größe", "city", "note"]
    assert table.column(1).to_pylist() == ["Köln", "Zürich", "Graz"]
    assert table.column(2).to_pylist() == ["ok", "café", "ok"]


def test_a_stray_byte_in_json_lines_is_no_bug() -> None:
    data = '{"city":"Köln"}\n'.encode() + b'{"city":"Orl\xe9ans"}\n'
    assert parse_jsonl(data).column("city").to_pylist() == ["Köln", "Orléans"]


@pytest.mark.parametrize("odd", ['{"t":"2024-01-01T00:00:00Z","m":{"a":1},"k":"?"}', '{"t":null,"m":null,"k":"?"}'])
def test_a_line_that_is_odd_in_one_field_changes_no_other_field(odd: str) -> None:
    usual = [json.dumps({"t": f"2024-01-0{i}T00:00:00Z", "m": {"a": i}, "k": i}) for i in range(1, 5)]
    plain, with_odd = (parse_jsonl("\n".join(lines).encode()) for lines in (usual, [*usual, odd]))
    for name in ("t", "m"):
        assert plain.schema.field(name).type == with_odd.schema.field(name).type
    assert str(with_odd.schema.field("k").type) == "string"
    array = parse_jsonl(("[" + ",".join(usual) + "]").encode())
    assert array.schema.field("t").type == plain.schema.field("t").type
