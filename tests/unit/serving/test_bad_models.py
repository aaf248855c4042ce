"""Every wrong spec, data set and server gets its own sentence, and never a pass."""

import pytest

from firedrill.api.verdict import Verdict
from support.bad_models import CASES, Bad, outcome


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
async def test_it_is_told_what_is_wrong(case: Bad) -> None:
    result = await outcome(case)
    assert (result.reason, case.said in result.message) == (case.reason, True), result.message
    assert result.verdict is not Verdict.PASSED
    assert "secret" not in result.message


def test_there_are_many() -> None:
    assert len({case.what for case in CASES}) == len(CASES) >= 50
