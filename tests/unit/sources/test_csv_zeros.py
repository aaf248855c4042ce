"""Numbers that are written with zeros before them are codes, and stay as they are written."""

import datetime
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.tableformat import TableFormat
from firedrill.sources.csvzeros import Zeros, is_code
from firedrill.sources.errors import InvalidTable
from firedrill.sources.parse import parse_bytes
from firedrill.sources.read import parse_path
from firedrill.sources.table import SourceTable


def csv(text: str, encoding: str = "utf-8") -> SourceTable:
    return parse_bytes(text.encode(encoding), TableFormat.CSV)


DAY, MIDNIGHT = datetime.date(2024, 1, 5), datetime.datetime(2024, 1, 5)
COLUMNS: list[tuple[list[str], list[Any]]] = [
    (["01234", "00099"], ["01234", "00099"]),
    (["007", "07", "7"], ["007", "07", "7"]),
    (["7", "12", "00"], ["7", "12", "00"]),
    (["-07", "7"], ["-07", "7"]),
    (["+07", "1.5"], ["+07", "1.5"]),
    (["00.5", "1"], ["00.5", "1"]),
    (["01e3", "1"], ["01e3", "1"]),
    (['"007"', '""'], ["007", None]),
    # Spaces are no part of a number, nor of what would have been one.
    ([" 007 ", "\t7", "     08"], ["007", "7", "08"]),
    (["NA", "null", "", "007"], [None, None, None, "007"]),
    (["0", "10", "-0"], [0, 10, 0]),
    (["0.5", "-0.05", "1e05", "1.5E+01", "0"], [0.5, -0.05, 1e5, 15.0, 0.0]),
    (["2024-01-05", ""], [DAY, None]),
    (["2024-01-05 00:00:00", ""], [MIDNIGHT, None]),
    (["00:15", "01:00"], [datetime.time(0, 15), datetime.time(1)]),
    (["true", "false"], [True, False]),
    (["01 Main Street", "x"], ["01 Main Street", "x"]),
]


@pytest.mark.parametrize(("cells", "values"), COLUMNS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_columns_with_zeros_before_a_number_are_texts(
    cells: list[str], values: list[Any], delimiter: str, encoding: str
) -> None:
    if delimiter == "\t":
        cells = [cell.replace("\t", " ") for cell in cells]
    # Beside them are numbers, a text of another encoding, and names that repeat.
    rows = "".join(delimiter.join(["1", cell, "é", "2.5"]) + "\n" for cell in cells)
    table = csv(f"\n\n{delimiter.join('axba')}\n\n{rows}", encoding)
    assert list(table.names) == list("axba")
    assert [table.column(i).to_pylist() for i in range(4)] == [
        [1] * len(cells),
        values,
        ["é"] * len(cells),
        [2.5] * len(cells),
    ]


def test_one_such_number_far_down_makes_all_of_its_column_texts() -> None:
    rows = [f"{i},{i % 10}" for i in range(1, 600_000)]
    table = csv("\n".join(["n,code", *rows, "5,07"]))
    assert table.column(0).type == pa.int64()
    assert table.column(1).to_pylist() == [*(str(i % 10) for i in range(1, 600_000)), "07"]


def test_a_header_of_several_lines_is_left_out() -> None:
    table = csv('"a\nb",c\n01,"1\n2"\n')
    assert [table.column(i).to_pylist() for i in range(2)] == [["01"], ["1\n2"]]


def test_files_of_a_folder_of_which_only_some_have_zeros_agree(tmp_path: Path) -> None:
    for name, text in {"1.csv": "n,zip\n1,80331\n", "2.csv": "n,zip\n2,01067\n", "3.csv": "n,zip\n3,\n"}.items():
        (tmp_path / name).write_text(text)
    table = parse_path(tmp_path, None)
    assert [table.column(i).to_pylist() for i in range(2)] == [[1, 2, 3], ["80331", "01067", None]]
    pieces = [piece.column(1).to_pylist() for piece in table.pieces()]
    assert pieces == [["80331"], ["01067"], [None]]
    (tmp_path / "3.csv").unlink()
    (tmp_path / "4.csv").write_text("n,zip\n4,1.50\n")
    with pytest.raises(InvalidTable, match=r"column 'zip' is string in 1.csv and double in 4.csv"):
        parse_path(tmp_path, None).column(1)


CODE = re.compile(r"[ \t]*[+-]?0[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?[ \t]*")
cells = st.text(alphabet="000123-+ .:e", max_size=9)


@settings(max_examples=300)
@given(st.lists(st.tuples(cells, cells), max_size=6), st.sampled_from(",;\t|"), st.integers(1, 7), st.booleans())
def test_no_such_number_is_overlooked_wherever_blocks_end(
    rows: list[tuple[str, str]], delimiter: str, size: int, quoted: bool
) -> None:
    quote = '"' if quoted else ""
    data = "\n".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in rows).encode()
    zeros = Zeros(delimiter)
    for at in range(0, len(data), size):
        zeros.feed(data[at : at + size])
    zeros.close()
    there = [CODE.fullmatch(cell) is not None for row in rows for cell in row]
    assert zeros.found or not any(there)
    assert is_code(pa.array([cell for row in rows for cell in row], pa.string())).to_pylist() == there


@pytest.mark.parametrize("cell", ["2024-01-05", "2024-01-05 00:15:07", "05/02/2024", "A-07", "1.05", "x 0", "0.01"])
def test_dates_and_times_are_not_looked_at_twice(cell: str) -> None:
    zeros = Zeros(",")
    zeros.feed(f"a,b\n{cell},{cell}\n".encode())
    zeros.close()
    assert not zeros.found
