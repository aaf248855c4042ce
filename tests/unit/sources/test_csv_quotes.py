"""Quotes of a CSV: what is closed is data, and what is not is no table."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.tableformat import TableFormat
from firedrill.sources import csvquotes
from firedrill.sources.csvquotes import Quotes
from firedrill.sources.errors import InvalidTable
from firedrill.sources.parse import parse_bytes

NEVER = "the quoted cell that begins here is never closed"
INSIDE = "its quote closes in the middle of a cell"
UNCLOSED: list[tuple[str, str, str]] = [
    ('id,v\n1,a\n2,"b\n3,c\n4,d\n', "line 3", NEVER),
    ('id,v\n1,a\n2,"b', "line 3", NEVER),
    ('id,v\r\n1,"x\r\ny"\r\n2,"b\r\n3,c\r\n', "line 4", NEVER),
    ('id,v\r1,a\r2,"b\r3,c\r', "line 3", NEVER),
    ('id,v\n1,"a ""b""\n2,c\n', "line 2", NEVER),
    ('id,v\n1,"', "line 2", NEVER),
    ('"id,v\n1,2\n', "line 1", NEVER),
    ('\ufeff"id,v\n1,2\n', "line 1", NEVER),
    ('id;v\n1;"a\n2;b\n', "line 2", NEVER),
    # The quote of a row below closes what an earlier one has left open: row 3 would be lost.
    ('id,v\n1,"a"\n2,"b\n3,"c"\n4,d\n', "line 3", INSIDE),
    ('id,v\n1,5" pipe\n2,"b\n3,"c"\n4,d\n', "line 3", INSIDE),
]


@pytest.mark.parametrize(("text", "line", "said"), UNCLOSED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_quote_that_does_not_close_is_no_table_and_its_line_is_named(
    text: str, line: str, said: str, encoding: str
) -> None:
    with pytest.raises(InvalidTable, match=f"^not CSV: {line}: .*{said}"):
        parse_bytes(text.encode(encoding), TableFormat.CSV)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (['"x\ny"', "z"], ["x\ny", "z"]),
        (['"x\r\n"', '"\n"'], ["x\r\n", "\n"]),
        (['"a ""b"""', '"""\n"""'], ['a "b"', '"\n"']),
        (['5" pipe', '6"'], ['5" pipe', '6"']),
        ([' "a', 'b ""'], [' "a', 'b ""']),
        # Of one line nothing can be lost: read as other tools do.
        (['"a"b', '"Ann "Bee" Cole"'], ["ab", 'Ann Bee" Cole"']),
        (['"a" ', "b"], ["a ", "b"]),
    ],
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_quotes_that_close_are_data(cells: list[str], values: list[str], end: str) -> None:
    rows = "\n".join(f"{i},{cell}" for i, cell in enumerate(cells))
    table = parse_bytes(f"id,v\n{rows}{end}".encode(), TableFormat.CSV)
    assert (table.column(0).to_pylist(), table.column(1).to_pylist()) == ([0, 1], values)


def test_a_quote_left_open_far_down_a_large_file_is_found_though_blocks_cut_it() -> None:
    good = b'1,"a ""b"" c"\n2,"d\ne"\n' * 200_000
    assert parse_bytes(b"id,v\n" + good, TableFormat.CSV).num_rows == 400_000
    with pytest.raises(InvalidTable, match=f"line 600002: {NEVER}"):
        parse_bytes(b"id,v\n" + good + b'3,"f\n4,g\n', TableFormat.CSV)
    with pytest.raises(InvalidTable, match=f"line 2: .*{INSIDE}"):
        parse_bytes(b'id,v\n3,"f\n' + good, TableFormat.CSV)


def test_a_cell_without_end_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvquotes, "LONGEST", 100)
    quotes = Quotes(",")
    for block in [b'a\n"', *[b"x" * 60] * 5]:
        quotes.feed(block)
    assert (quotes.at, "is not closed within" in (quotes.wrong or "")) == (2, True)


def wrong_in(text: str) -> tuple[int, bool] | None:
    """Offset of the first quoted cell that is wrong, and whether it closes at all; one character after the other."""
    start, at, begins, lines = 0, 0, True, False
    while at < len(text):
        if begins and text[at] == '"':
            start, at, lines = at, at + 1, False
            while text[at : at + 1] != '"' or text[at : at + 2] == '""':
                if at >= len(text):
                    return start, False
                lines = lines or text[at] in "\r\n"
                at += 2 if text[at : at + 2] == '""' else 1
            at += 1
            if lines and at < len(text) and text[at] not in ",\r\n":
                return start, True
            begins = False
        else:
            begins = text[at] in ",\r\n"
            at += 1
    return None


@settings(max_examples=500)
@given(st.text(alphabet='"""a,\n\r', max_size=60), st.integers(1, 7))
def test_quotes_are_found_as_one_finds_them_by_hand_wherever_blocks_end(text: str, size: int) -> None:
    quotes = Quotes(",")
    data = text.encode()
    for at in range(0, len(data), size):
        quotes.feed(data[at : at + size])
    quotes.close()
    found = None if quotes.wrong is None else (quotes.at, INSIDE in quotes.wrong)
    assert found == wrong_in(text)
