"""Features as numbers of a tensor: what is text in a table is sent as it was written, or refused."""

import pytest

from firedrill.api.endpoint import TensorType
from firedrill.sources.errors import InvalidTable
from firedrill.sources.serving.tensors import Plan


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        ("9007199254740993", TensorType.INT64, 9007199254740993),
        (" -12 ", TensorType.INT32, -12),
        ("1e3", TensorType.INT64, 1000),
        ("1.5", TensorType.FP64, 1.5),
        (2.0, TensorType.INT64, 2),
    ],
)
def test_what_is_sent(value: str | float, kind: TensorType, sent: float) -> None:
    (tensor,) = Plan(("x",), (kind,)).tensors([value])
    assert tensor.data == (sent,)


@pytest.mark.parametrize("value", ["1e400", "nan", "-inf", "1_000", "many"])
def test_text_that_is_no_finite_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidTable, match=f"holds the text '{value}'"):
        Plan(("x",), (TensorType.FP64,)).tensors([value])
