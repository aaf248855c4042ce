"""Words that say that there is no value, and NA, which among texts is one."""

import datetime
from typing import Any

import pytest

from firedrill.api.tableformat import TableFormat
from firedrill.sources.parse import parse_bytes

COLUMNS: list[tuple[list[str], list[Any]]] = [
    (["CH", "NA", "", '""'], ["CH", "NA", None, None]),
    (["CH", '"NA"', "Na", "na"], ["CH", "NA", "Na", "na"]),
    (["x", "NULL", "null", "NaN", "nan"], ["x", None, None, None, None]),
    (["x", "N/A", "n/a", "#N/A", "#NA"], ["x", None, None, None, None]),
    (["x", "None", "none", "-", " NA"], ["x", "None", "none", "-", " NA"]),
    (["1", "NA", "2"], [1, None, 2]),
    (["1.5", "NA", "N/A"], [1.5, None, None]),
    (["true", "NA"], [True, None]),
    (["2025-01-05", "NA"], [datetime.date(2025, 1, 5), None]),
    (["007", "NA"], ["007", None]),
    # Numbers with a mark among them are still numbers to who wrote them.
    (["1.5", "NA", "?", "2"], ["1.5", None, "?", "2"]),
    (["NA", "1", "x", "y"], ["NA", "1", "x", "y"]),
    # Nothing else tells what they are.
    (["NA", "", "NA"], [None, None, None]),
]


@pytest.mark.parametrize(("cells", "values"), COLUMNS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_words_are_missing_and_na_among_texts_is_a_value(cells: list[str], values: list[Any], encoding: str) -> None:
    text = "".join(f"{i},{cell},é\n" for i, cell in enumerate(cells))
    table = parse_bytes(f"i,v,w\n{text}".encode(encoding), TableFormat.CSV)
    assert table.column(1).to_pylist() == values


def test_na_is_told_over_all_of_a_large_file() -> None:
    rows = "NA\n" * 2_000_000
    assert parse_bytes(f"v\n{rows}CH\n".encode(), TableFormat.CSV).column(0).null_count == 0
    assert parse_bytes(f"v\n{rows}5\n".encode(), TableFormat.CSV).column(0).null_count == 2_000_000
