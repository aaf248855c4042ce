"""The whole run against a server on this machine that behaves as real ones do."""

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
CSV = "a,b,label\n" + "".join(f"{a},{b},{int(a > 0)}\n" for a, b in ROWS)
QUICK = {"requests": 60, "warmup": 5, "rate": 500}
#: Slow enough that a machine which is busy with something else keeps it: a client that falls behind is no pass.
STEADY = {"requests": 60, "warmup": 5, "rate": 60}
#: Wide enough for any machine: what is tested here is not its speed.
LIMITS = {"minAccuracy": 0.8, "maxErrorRate": 0.1}


async def validate(url: str, seconds: float = 60, **spec: Any) -> Result:
    body = {
        "endpoint": {"openInference": {"url": url, "model": "m"}},
        "dataset": {"source": {"inline": {"csv": CSV}}, "labelColumn": "label"},
        "load": QUICK,
        "thresholds": LIMITS,
    }
    task = check_task("ModelValidation", body | spec, seconds=seconds)
    async with httpx.AsyncClient() as http:
        return await run(task, SourceContext(http))


@pytest.mark.parametrize("shape", ["flat", "column", "scores"])
async def test_a_good_model_passes_in_every_shape(serve: Any, shape: str) -> None:
    served = await serve(shape=shape)
    result = await validate(served.url, load=STEADY)
    assert (result.verdict, result.reason) == (Verdict.PASSED, "WithinLimits"), result.message
    assert len(served.behaviour.seen) == 65
    tensor = served.behaviour.seen[0]["inputs"][0]
    assert (tensor["name"], tensor["shape"], tensor["datatype"]) == ("input-0", [1, 2], "FP64")
    assert result.report["warmup"]["requests"] == 5


@pytest.mark.parametrize("suffix", ["", "/", "/v2", "/v2/"])
async def test_the_address_may_end_in_v2(serve: Any, suffix: str) -> None:
    served = await serve()
    assert (await validate(served.url + suffix, load=STEADY)).verdict is Verdict.PASSED


async def test_a_version_is_asked_for(serve: Any) -> None:
    served = await serve()
    result = await validate(
        served.url, endpoint={"openInference": {"url": served.url, "model": "m", "version": "2"}}, load=STEADY
    )
    assert result.verdict is Verdict.PASSED


async def test_metadata_tells_name_and_type_unless_the_spec_does(serve: Any) -> None:
    metadata = {"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}], "outputs": []}
    served = await serve(metadata=metadata)
    await validate(served.url)
    assert served.behaviour.seen[0]["inputs"][0]["name"] == "x"
    assert served.behaviour.seen[0]["inputs"][0]["datatype"] == "FP32"
    endpoint = {"openInference": {"url": served.url, "model": "m", "inputName": "y", "datatype": "FP64"}}
    await validate(served.url, endpoint=endpoint)
    assert served.behaviour.seen[-1]["inputs"][0]["name"] == "y"
    assert served.behaviour.seen[-1]["inputs"][0]["datatype"] == "FP64"


async def test_features_are_never_rounded_in_silence(serve: Any) -> None:
    served = await serve(metadata={"inputs": [{"name": "x", "datatype": "INT64", "shape": [2]}]})
    result = await validate(served.url)
    assert (result.verdict, result.reason) == (Verdict.ERROR, "InvalidData")
    assert "endpoint.openInference.datatype" in result.message


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready":true}', b'{"name":"m","ready":"True"}', b"OK"])
async def test_ready_is_told_in_many_ways(serve: Any, body: bytes) -> None:
    served = await serve(ready_body=body, metadata={"inputs": []})
    assert (await validate(served.url, load=STEADY)).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("behaviour", "verdict", "reason"),
    [
        ({"server_ready": 503}, Verdict.INCONCLUSIVE, "EndpointNotReady"),
        ({"model_ready": 503}, Verdict.INCONCLUSIVE, "EndpointNotReady"),
        ({"ready_body": b'{"ready":false}'}, Verdict.INCONCLUSIVE, "EndpointNotReady"),
        ({"model_ready": 404}, Verdict.ERROR, "ModelNotFound"),
        ({"wrong_every": 2}, Verdict.FAILED, "AccuracyBelowLimit"),
        ({"error_every": 2}, Verdict.FAILED, "ErrorRateAboveLimit"),
        ({"error_every": 1, "error_status": 422, "error_body": '{"detail":"bad"}'}, Verdict.ERROR, "RequestsRejected"),
        ({"error_every": 1}, Verdict.FAILED, "ErrorRateAboveLimit"),
        ({"reply": {"outputs": []}}, Verdict.FAILED, "ErrorRateAboveLimit"),
        ({"reply": [1, 2]}, Verdict.FAILED, "ErrorRateAboveLimit"),
        ({"reply": {"outputs": [{"name": "p", "data": [None]}]}}, Verdict.FAILED, "ErrorRateAboveLimit"),
        ({"reply": {"error": "no such thing"}}, Verdict.FAILED, "ErrorRateAboveLimit"),
    ],
)
async def test_what_servers_do_wrong_has_a_reason(
    serve: Any, behaviour: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    served = await serve(**behaviour)
    result = await validate(served.url)
    assert (result.verdict, result.reason) == (verdict, reason), result.message


async def test_a_server_without_a_health_address_is_judged_by_its_model(serve: Any) -> None:
    served = await serve(server_ready=404)
    assert (await validate(served.url, load=STEADY)).verdict is Verdict.PASSED


async def test_the_gist_of_a_traceback_is_told(serve: Any) -> None:
    served = await serve(error_every=1)
    assert "ValueError: X has 2 features, expected 1" in (await validate(served.url)).message


async def test_nobody_at_home_is_inconclusive(unused_port: int) -> None:
    result = await validate(f"http://127.0.0.1:{unused_port}")
    assert (result.verdict, result.reason) == (Verdict.INCONCLUSIVE, "EndpointUnreachable")


async def test_slow_answers_time_out_and_fail(serve: Any) -> None:
    served = await serve(delay=5)
    # Long enough for the first questions, which are answered at once, on a machine that is busy with something else.
    endpoint = {"openInference": {"url": served.url, "model": "m"}, "timeout": "1s"}
    result = await validate(served.url, endpoint=endpoint)
    assert result.reason == "ErrorRateAboveLimit", result.message
    assert "no answer within 1 s" in result.message


async def test_the_deadline_is_kept(serve: Any) -> None:
    served = await serve()
    load = {"requests": 500, "warmup": 0, "rate": 20}
    endpoint = {"openInference": {"url": served.url, "model": "m"}, "timeout": "1s"}
    result = await validate(served.url, seconds=4, load=load, endpoint=endpoint)
    assert result.reason == "DeadlineReached", result.message
    assert 0 < len(served.behaviour.seen) < 100


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({"labelColumn": "nope"}, "there is no column 'nope'"),
        ({"labelColumn": "label", "ignoreColumns": ["a", "b"]}, "no column is left"),
        ({"source": {"inline": {"csv": "a,label\nx,1\n"}}, "labelColumn": "label"}, "column 'a' holds text"),
        ({"source": {"inline": {"csv": "a,b\n1\n"}}, "labelColumn": "b"}, "spec.dataset.source.inline.csv: not CSV"),
        ({"source": {"file": {"path": "x.csv"}}, "labelColumn": "b"}, "spec.dataset.source.file.path"),
    ],
)
async def test_a_wrong_data_set_names_the_field(serve: Any, dataset: dict[str, Any], said: str) -> None:
    served = await serve()
    result = await validate(served.url, dataset={"source": {"inline": {"csv": CSV}}} | dataset)
    assert result.verdict is Verdict.ERROR
    assert said in result.message
    assert not served.behaviour.seen


async def test_rows_with_blanks_are_skipped_and_counted(serve: Any) -> None:
    served = await serve()
    csv = CSV + ",1,1\n1,,1\n1,1,\n"
    dataset = {"source": {"inline": {"csv": csv}}, "labelColumn": "label"}
    result = await validate(served.url, dataset=dataset, load=STEADY)
    assert result.verdict is Verdict.PASSED
    assert "3 rows with blanks" in result.message
    empty = await validate(served.url, dataset={"source": {"inline": {"csv": "a,label\n,1\n"}}, "labelColumn": "label"})
    assert (empty.verdict, empty.reason) == (Verdict.INCONCLUSIVE, "TooFewRows")


async def test_a_wrong_spec_names_the_field() -> None:
    result = await validate("http://x", load={"rate": -1})
    assert (result.verdict, result.reason) == (Verdict.ERROR, "InvalidSpec")
    assert "spec.load.rate" in result.message


async def test_a_load_that_can_not_fit_is_refused() -> None:
    result = await validate("http://x", load={"rate": 1, "requests": 1000})
    assert "timeout must be at least" in result.message
