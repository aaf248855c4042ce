"""Numbers in texts are the same for all who read them."""

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firedrill.api.written import number_in
from firedrill.engines.drift.values import number_of
from firedrill.engines.model.labels import as_number
from firedrill.engines.pipeline.columns import as_numbers
from firedrill.runner.probes.expecting import meets


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1.0),
        (" -1.5e-02 ", -0.015),
        ("9.77E-02", 0.0977),
        (".5", 0.5),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1_000", None),
        ("", None),
        (" ", None),
        ("0x10", None),
        ("1,5", None),
        ("one", None),
        ("1 2", None),
    ],
)
def test_a_text_is_a_number_or_none(text: str, number: float | None) -> None:
    assert number_in(text) == number


@given(st.one_of(st.text(max_size=8), st.floats(allow_nan=False).map(str), st.from_regex(r"\d_?\d", fullmatch=True)))
def test_all_readers_agree_on_finite_numbers(text: str) -> None:
    number = number_in(text)
    finite = number if number is not None and math.isfinite(number) else None
    known = number_of(text)
    assert (known if math.isfinite(known) else None) == finite
    if text.strip().lower() not in ("true", "false"):
        assert as_number(text) == finite
    # A column of texts is read as a whole where all are numbers, and one by one where this one is none.
    if text.strip():
        column, _ = as_numbers(pa.chunked_array([pa.array([text, "no number"])]))
        value = column.to_pylist()[0]
        assert (value if value is not None and math.isfinite(value) else None) == finite


def test_a_probe_compares_whole_numbers_of_any_size() -> None:
    assert meets(10**400, None, 1.0, None)
    assert not meets(10**400, None, None, 1e308)
    assert not meets("1_000", None, 1.0, None)
