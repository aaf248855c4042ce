"""Rows that a server repeats in its errors are not shown."""

import json

import pytest

from firedrill.sources.serving.http import excerpt, parse_json

SENT = json.dumps(
    {"name": "Ada Lovelace", "mail": "ada@example.org", "age": 36, "pay": 81250.5, "code": 12345}
).encode()


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("boom: no field 'height'", "boom: no field 'height'"),
        ("could not convert 'Ada Lovelace' to float", "could not convert '…' to float"),
        ("who is Lovelace?", "who is …?"),
        ("ADA@EXAMPLE.ORG is no number", "… is no number"),
        ("pay 81250.50 is too much for 12345.0", "pay … is too much for …"),
        ("X has 2 features, expected 1", "X has 2 features, expected 1"),
        ("bad value in " + SENT.decode(), "bad value in …"),
        ("bad value in " + json.dumps(json.loads(SENT), separators=(",", ":")), None),
    ],
)
@pytest.mark.parametrize("wrapped", [True, False], ids=["json", "text"])
def test_what_was_sent_is_left_out(error: str, shown: str | None, wrapped: bool) -> None:
    content = json.dumps({"error": error}).encode() if wrapped else error.encode()
    said = excerpt(content, "", parse_json(content), SENT)
    if shown is not None:
        assert said == shown
    for value in ("Ada", "Lovelace", "example.org", "81250", "12345"):
        assert value.casefold() not in said.casefold()


def test_a_word_that_is_cut_off_is_not_shown() -> None:
    assert "Love" not in excerpt((SENT.decode() + " " * 885 + "Lovelace, Ada").encode(), "", None, SENT)


def test_words_of_a_body_that_is_no_json_are_left_out_too() -> None:
    assert excerpt(b"unknown patient Lovelace", "", None, b"1,Lovelace,x") == "unknown patient …"
