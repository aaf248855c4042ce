"""What counts as the prediction of one row, and what is some other number of rows or no prediction at all."""

from pathlib import Path
from typing import Any

import pytest

from firedrill.api.endpoint import JsonEndpoint
from firedrill.api.modelvalidation import LabelledData
from firedrill.sources.parse import parse_file
from firedrill.sources.serving.invocations import invoked
from firedrill.sources.serving.plain import PlainJson
from firedrill.sources.serving.port import Reply, ReplyKind, one_row
from firedrill.sources.serving.rows import labelled_rows
from firedrill.sources.serving.tensors import prediction


def answer(body: Any) -> Reply:
    return Reply(ReplyKind.ANSWERED, 200, body=body)


def values(reply: Reply) -> tuple[Any, ...]:
    assert reply.kind is ReplyKind.ANSWERED, reply.error
    return reply.values


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (1, (1,)),
        ([1], (1,)),
        ([[1]], (1,)),
        ([[[1]]], (1,)),
        (["spam"], ("spam",)),
        ([0.2, 0.8], (0.2, 0.8)),
        ([[0.2, 0.8]], (0.2, 0.8)),
        # In a row of its own, as one-hot answers are, and as text in a line of CSV.
        ([[0, 1, 0]], (0, 1, 0)),
        (["0.2", "0.8"], ("0.2", "0.8")),
        # A saturated model is still sure of one class.
        ([1.0, 0.0], (1.0, 0.0)),
    ],
)
def test_one_row_in_many_forms(data: Any, expected: tuple[Any, ...]) -> None:
    assert values(one_row(answer(None), data, "it")) == expected


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "it holds no data"),
        ([[]], "it holds no data"),
        ([0, 1, 0], "it holds 3 whole numbers, which may be the labels of as many rows"),
        (["0", "1"], "it holds 2 whole numbers"),
        ([True, False], "it holds 2 whole numbers"),
        ([[0], [1], [0]], "it has 3 rows, but one was asked for"),
        ([[0.2, 0.8], [0.3, 0.7]], "it has 2 rows, but one was asked for"),
        ([0.2, [0.8]], "it has 2 rows, but one was asked for"),
        (["spam", "ham"], "it holds 2 values, not all of them numbers"),
        ([["spam", 0.93]], "it holds 2 values, not all of them numbers"),
        ([{"label": 1}], "neither number nor text"),
        ([float("nan")], "it holds nan, which is no prediction"),
        ([[0.2, float("inf")]], "it holds inf"),
    ],
)
def test_what_is_no_row(data: Any, said: str) -> None:
    reply = one_row(answer(None), data, "it")
    assert (reply.kind, reply.values) == (ReplyKind.MALFORMED, ())
    assert said in reply.error


@pytest.mark.parametrize(
    ("shape", "data", "expected"),
    [
        ([1], [1], (1,)),
        ([1, 1], [[1]], (1,)),
        ([1, 3], [0, 1, 0], (0, 1, 0)),
        ([1, 2], [0.2, 0.8], (0.2, 0.8)),
        (None, [1], (1,)),
        ([3], [0, 1, 0], None),
        ([2], [0.2, 0.8], (0.2, 0.8)),
        ([-1, 2], [0, 1], (0, 1)),
        ([3, 1], [[0], [1], [0]], None),
        # A shape of one row that its data does not have.
        ([1], [0, 1, 0], None),
    ],
)
def test_a_tensor_says_by_its_shape_how_many_rows_it_has(shape: Any, data: Any, expected: Any) -> None:
    reply = prediction(answer({"outputs": [{"name": "o", "shape": shape, "data": data}]}), None)
    assert (reply.kind is ReplyKind.ANSWERED, reply.values) == (expected is not None, expected or ())


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        ([{"predict": 1}], (1,)),
        ({"predict": [1]}, (1,)),
        ([{"predict": [0.2, 0.8]}], (0.2, 0.8)),
        ([{"label": 0, "score": 0.93}], "a row with the outputs 'label', 'score': one is needed"),
        ({"label": [0], "score": [0.93]}, "a row with the outputs 'label', 'score'"),
        ([{"predict": 1}, {"predict": 0}], "2 whole numbers"),
        ([{}], "a row with the outputs nothing"),
    ],
)
def test_named_outputs_are_no_scores(predictions: Any, expected: Any) -> None:
    reply = invoked(answer({"predictions": predictions}))
    if isinstance(expected, tuple):
        assert values(reply) == expected
    else:
        assert reply.kind is ReplyKind.MALFORMED
        assert expected in reply.error


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("$.predictions[0]", {"predictions": [[0, 1]]}, (0, 1)),
        ("$.predictions[0]", {"predictions": [1]}, (1,)),
        ("$[0]", [[0, 0, 1]], (0, 0, 1)),
        ("$.scores.*", {"scores": {"ham": 0, "spam": 1}}, (0, 1)),
        ("$.predictions", {"predictions": [0, 1]}, None),
        ("$.predictions[*]", {"predictions": [0, 1]}, None),
        ("$.predictions[*]", {"predictions": [0.2, 0.8]}, (0.2, 0.8)),
    ],
)
def test_a_path_says_whether_what_it_finds_is_one_row(path: str, body: Any, expected: Any) -> None:
    endpoint = JsonEndpoint(url="http://a/", prediction=path)
    reply = PlainJson(endpoint, None).decode(answer(body))  # type: ignore[arg-type]
    assert (reply.kind is ReplyKind.ANSWERED, reply.values) == (expected is not None, expected or ()), reply.error


def test_numbers_with_zeros_before_them_are_numbers_to_a_model(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("month,shop,label\n01,a,0\n12,b,1\n")
    rows = labelled_rows(
        parse_file(path, None), LabelledData(source={"inline": {"csv": "a\n1\n"}}, label_column="label")
    )
    assert rows.features == ((1.0, "a"), (12.0, "b"))
