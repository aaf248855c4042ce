"""A model and its baseline under one load, against servers on this machine."""

from typing import Any

import httpx
import pytest

from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.runner.model import run
from firedrill.sources.context import SourceContext
from support.tasks import check_task

pytestmark = pytest.mark.system

ROWS = [(value / 10, index) for index, value in enumerate(range(-30, 31)) if value]
BARE = "a,b\n" + "".join(f"{a},{b}\n" for a, b in ROWS)
LABELLED = "a,b,label\n" + "".join(f"{a},{b},{int(a > 0)}\n" for a, b in ROWS)
#: Slow enough that a machine which is busy with something else keeps it.
LOAD = {"requests": 60, "warmup": 5, "rate": 60}


def at(url: str) -> dict[str, Any]:
    return {"openInference": {"url": url, "model": "m"}}


async def validate(url: str, other: str, baseline: dict[str, Any], **spec: Any) -> Result:
    body = {
        "endpoint": at(url),
        "dataset": {"source": {"inline": {"csv": BARE}}},
        "load": LOAD,
        "baseline": {"endpoint": at(other)} | baseline,
        "thresholds": {"maxErrorRate": 0.4},
    }
    async with httpx.AsyncClient() as http:
        return await run(check_task("ModelValidation", body | spec, seconds=60), SourceContext(http))


def features(served: Any) -> list[Any]:
    return [body["inputs"][0]["data"] for body in served.behaviour.seen]


async def test_a_shadow_gets_every_request_of_the_model(serve: Any) -> None:
    model, shadow = await serve(), await serve(shape="scores")
    result = await validate(model.url, shadow.url, {"mode": "Shadow", "minAgreement": 0.9})
    assert (result.verdict, result.reason) == (Verdict.PASSED, "WithinLimits"), result.message
    assert len(features(model)) == 65
    assert sorted(features(model)) == sorted(features(shadow))
    told = result.report["baseline"]
    assert (told["mode"], told["disagreements"]) == ("Shadow", [])
    assert {name: load["requests"] for name, load in told["loads"].items()} == {"model": 60, "baseline": 60}


async def test_both_are_asked_at_the_same_time(serve: Any) -> None:
    # One load takes three seconds; a run of two, one after the other, would be refused.
    model, shadow = await serve(), await serve()
    load = {"requests": 60, "warmup": 0, "rate": 20}
    endpoint = at(model.url) | {"timeout": "1s"}
    baseline = {"mode": "Shadow", "minAgreement": 0.9, "endpoint": at(shadow.url) | {"timeout": "1s"}}
    result = await validate(model.url, shadow.url, baseline, endpoint=endpoint, load=load, timeout="5s")
    assert result.verdict is Verdict.PASSED, result.message
    assert (len(features(model)), len(features(shadow))) == (60, 60)


async def test_a_shadow_that_answers_otherwise_fails(serve: Any) -> None:
    model, shadow = await serve(wrong_every=2), await serve()
    result = await validate(model.url, shadow.url, {"mode": "Shadow", "minAgreement": 0.9})
    assert (result.verdict, result.reason) == (Verdict.FAILED, "ModelsDisagree"), result.message


async def test_afterwards_the_baseline_is_sent_the_same_rows(serve: Any) -> None:
    model, other = await serve(shape="scores"), await serve(shape="scores")
    result = await validate(
        model.url,
        other.url,
        {"minAgreement": 0.9, "maxLoss": 0.2, "maxScoreDifference": 0.1},
        dataset={"source": {"inline": {"csv": LABELLED}}, "labelColumn": "label"},
    )
    assert result.verdict is Verdict.PASSED, result.message
    assert sorted(features(model)) == sorted(features(other))
    judged = {item.name for item in result.measurements if item.weight}
    assert judged == {"error_rate", "gain_over_baseline", "agreement", "score_difference"}


async def test_a_slow_model_fails_beside_a_quick_one(serve: Any) -> None:
    model, shadow = await serve(delay=0.5), await serve()
    result = await validate(model.url, shadow.url, {"mode": "Shadow", "maxSlowdown": "100ms"})
    assert result.verdict is not Verdict.PASSED
    assert result.reason in ("SlowerThanBaseline", "ClientSaturated"), result.message
    [slower] = [item for item in result.measurements if item.name == "slowdown"]
    assert slower.value == pytest.approx(0.5, abs=0.4)


@pytest.mark.parametrize("share", [None, 0.2])
async def test_each_request_of_a_split_load_goes_to_one_of_both(serve: Any, share: float | None) -> None:
    model, other = await serve(), await serve()
    baseline = {"mode": "Split", "maxErrorIncrease": 0.5} | ({"share": share} if share else {})
    result = await validate(model.url, other.url, baseline)
    assert result.verdict is Verdict.PASSED, result.message
    ours, theirs = features(model), features(other)
    assert len(ours) + len(theirs) == 65
    assert min(len(ours), len(theirs)) > 0
    assert share is None or len(ours) < len(theirs)


async def test_a_split_load_with_labels_compares_how_right_both_are(serve: Any) -> None:
    model, other = await serve(wrong_every=1), await serve()
    result = await validate(
        model.url,
        other.url,
        {"mode": "Split", "maxLoss": 0.1},
        dataset={"source": {"inline": {"csv": LABELLED}}, "labelColumn": "label"},
    )
    assert (result.verdict, result.reason) == (Verdict.FAILED, "WorseThanBaseline"), result.message


async def test_errors_of_a_split_load_are_those_of_each_model(serve: Any) -> None:
    model, other = await serve(error_every=2), await serve()
    result = await validate(
        model.url, other.url, {"mode": "Split", "maxErrorIncrease": 0.05}, thresholds={"maxErrorRate": None}
    )
    assert (result.verdict, result.reason) == (Verdict.FAILED, "MoreErrorsThanBaseline"), result.message


@pytest.mark.parametrize("mode", [{"mode": "Shadow", "minAgreement": 0.9}, {"mode": "Split", "maxSlowdown": "1s"}])
async def test_a_baseline_that_is_not_there_leaves_the_comparison_open(
    serve: Any, unused_port: int, mode: dict[str, Any]
) -> None:
    model = await serve()
    result = await validate(model.url, f"http://127.0.0.1:{unused_port}", mode)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the baseline could not be asked" in result.message
    # The model is asked all the same, and its own limits are judged.
    assert [item.passed for item in result.measurements if item.name == "error_rate"] == [True]


async def test_a_model_that_is_not_there_leaves_its_shadow_in_peace(serve: Any, unused_port: int) -> None:
    shadow = await serve()
    result = await validate(f"http://127.0.0.1:{unused_port}", shadow.url, {"mode": "Shadow", "minAgreement": 0.9})
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "EndpointUnreachable")
    assert features(shadow) == []


async def test_rows_without_labels_need_a_second_model() -> None:
    body = {"endpoint": at("http://x"), "dataset": {"source": {"inline": {"csv": BARE}}}}
    async with httpx.AsyncClient() as http:
        result = await run(check_task("ModelValidation", body, seconds=60), SourceContext(http))
    assert (result.verdict, result.reason) == (Verdict.ERROR, "InvalidSpec")
    assert "dataset.labelColumn is missing" in result.message
