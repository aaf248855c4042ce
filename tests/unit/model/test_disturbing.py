"""What noise on rows changes: counted over rows that it changed, by labels as they are read."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from firedrill.api.modelvalidation import ModelValidationSpec
from firedrill.runner.disturbing import disturb
from firedrill.sources.serving.port import Columns, Reply, ReplyKind
from firedrill.sources.serving.rows import Rows


class Scoring:
    """A model that answers with the sum of a row."""

    address = None

    def body(self, row: Sequence[Any]) -> bytes:
        return json.dumps(row).encode()

    async def ask(self, body: bytes) -> Reply:
        return Reply(ReplyKind.ANSWERED, 200, values=(sum(value or 0.0 for value in json.loads(body)),))


def spec(**more: Any) -> ModelValidationSpec:
    body: dict[str, Any] = {
        "clusters": {"names": ["x"]},
        "endpoint": {"openInference": {"url": "http://a", "model": "m"}},
        "dataset": {"source": {"inline": {"csv": "a,y\n1,1\n"}}, "labelColumn": "y"},
        "robustness": {"rows": 20},
    }
    return ModelValidationSpec.model_validate(body | more)


@pytest.mark.parametrize(
    ("values", "more", "tried", "same"),
    [
        ([3] * 20, {}, 0, 0),
        ([3.0] * 20, {}, 0, 0),
        ([float(i) for i in range(1, 21)], {}, 20, 0),
        ([float(i) for i in range(1, 21)], {"answers": {"threshold": -100}}, 20, 20),
        ([float(i) for i in range(1, 21)], {"task": "Regression"}, 0, 0),
    ],
    ids=["whole numbers", "no spread", "other scores", "the same label", "no labels"],
)
async def test_only_rows_that_noise_changed_count(values: list[Any], more: Any, tried: int, same: int) -> None:
    rows = Rows(Columns(("a",), (True,)), tuple((value,) for value in values), tuple(values), 0)
    model: Any = Scoring()
    noise = next(item for item in await disturb(model, rows, spec(**more), lambda: True) if "noise" in item.kind)
    assert (noise.tried, noise.good) == (tried, same)
