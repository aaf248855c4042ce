"""Validations and benchmarks of servers as they really are, each started from its own package."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import boto3
import httpx
import pytest
from aiohttp import ClientSession, web

from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.runner import benchmark, model
from firedrill.sources.context import SourceContext
from support import model_servers
from support.model_servers import Server, rows
from support.moto import moto_server
from support.tasks import check_task

SOURCE = {"inline": {"csv": rows()}}
#: Wide enough for any machine: what is tested here is not its speed.
LIMITS = {"minAccuracy": 0.9, "maxErrorRate": 0.05}


async def carry_out(kind: str, spec: dict[str, Any], read_object: Any = None) -> Result:
    task = check_task(kind, spec, seconds=300)
    async with httpx.AsyncClient() as http:
        runner = model.run if kind == "ModelValidation" else benchmark.run
        return await runner(task, SourceContext(http, read_object=read_object))


async def validate(endpoint: dict[str, Any], read_object: Any = None, **spec: Any) -> Result:
    body = {
        "endpoint": {"timeout": "20s", **endpoint},
        "dataset": {"source": SOURCE, "labelColumn": "label"},
        "load": {"requests": 300, "warmup": 10, "rate": 40},
        "thresholds": LIMITS,
    }
    return await carry_out("ModelValidation", body | spec, read_object)


async def load(endpoint: dict[str, Any]) -> Result:
    target = {"endpoint": {"timeout": "20s", **endpoint}, "source": SOURCE, "ignoreColumns": ["label"]}
    body = {
        "target": {"model": target},
        "load": {"openLoop": {"rate": 40, "duration": "5s"}},
        "warmup": "1s",
        "thresholds": {"maxErrorRate": 0.05},
    }
    return await carry_out("PerformanceBenchmark", body)


@pytest.fixture(scope="module")
def mlserver() -> Iterator[Server]:
    with model_servers.mlserver() as server:
        yield server


@pytest.fixture(scope="module")
def kserve() -> Iterator[Server]:
    with model_servers.kserve() as server:
        yield server


@pytest.fixture(scope="module")
def mlflow() -> Iterator[Server]:
    with model_servers.mlflow() as server:
        yield server


def v2(url: str, **more: Any) -> dict[str, Any]:
    return {"openInference": {"url": url, "model": "m", **more}}


async def test_mlserver_over_rest_and_grpc(mlserver: Server) -> None:
    for endpoint in (v2(mlserver.url), v2(mlserver.grpc, transport="Grpc"), v2(mlserver.url, version="v1")):
        result = await validate(endpoint)
        assert result.verdict is Verdict.PASSED, result.message
        assert result.report["model"]["model"] == "m"
        assert (await load(endpoint)).verdict is Verdict.PASSED


async def test_mlserver_answers_a_wrong_number_of_features_with_500(mlserver: Server) -> None:
    result = await validate(
        v2(mlserver.url), dataset={"source": SOURCE, "labelColumn": "label", "ignoreColumns": ["c"]}
    )
    assert (result.verdict, result.reason) == (Verdict.FAILED, "ErrorRateAboveLimit")
    assert "X has 2 features" in result.message


@pytest.mark.parametrize("transport", ["Http", "Grpc"])
async def test_mlserver_without_the_model(mlserver: Server, transport: str) -> None:
    url = mlserver.url if transport == "Http" else mlserver.grpc
    result = await validate({"openInference": {"url": url, "model": "other", "transport": transport}})
    assert (result.verdict, result.reason) == (Verdict.ERROR, "ModelNotFound"), result.message


async def test_robustness_of_mlserver(mlserver: Server) -> None:
    robustness = {"rows": 20, "maxChanged": 0.5, "minRefused": 0.1}
    result = await validate(v2(mlserver.url), robustness=robustness)
    assert {item["kind"] for item in result.report["robustness"]} == {"changed_by_noise", "handled", "refused"}
    assert all(item["tried"] for item in result.report["robustness"])


async def test_kserve_over_both_protocols(kserve: Server) -> None:
    v1 = {"url": f"{kserve.url}/v1/models/m:predict", "form": "List", "requestPath": ["instances", "[]"]}
    v1 |= {"prediction": "$.predictions[0]", "healthPath": "/v1/models/m"}
    for endpoint in (v2(kserve.url), v2(kserve.grpc, transport="Grpc"), {"json": v1}):
        result = await validate(endpoint)
        assert result.verdict is Verdict.PASSED, result.message
    assert (await load({"json": v1})).verdict is Verdict.PASSED


@pytest.mark.parametrize("protocol", ["v1", "v2"])
async def test_an_inference_service_by_name(kserve: Server, protocol: str) -> None:
    async def read(api_version: str, plural: str, namespace: str, name: str) -> dict[str, Any]:
        assert (api_version, plural, namespace) == ("serving.kserve.io/v1beta1", "inferenceservices", "models")
        if name != "m":
            raise LookupError(name)
        return {
            "spec": {"predictor": {"model": {"protocolVersion": protocol}}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "address": {"url": kserve.url}},
        }

    result = await validate({"kserve": {"name": "m", "namespace": "models"}}, read)
    assert result.verdict is Verdict.PASSED, result.message
    missing = await validate({"kserve": {"name": "other", "namespace": "models"}}, read)
    assert (missing.verdict, missing.reason) == (Verdict.ERROR, "ModelNotFound")


@pytest.mark.parametrize("form", ["DataframeSplit", "DataframeRecords", "Csv"])
async def test_mlflow_in_its_forms(mlflow: Server, form: str) -> None:
    # The scoring server reads the first line of CSV as names: what SageMaker's containers want is not what it wants.
    endpoint = {"invocations": {"url": mlflow.url, "format": form}}
    result = await validate(endpoint)
    if form == "Csv":
        assert result.verdict in (Verdict.FAILED, Verdict.ERROR), result.message
        return
    assert result.verdict is Verdict.PASSED, result.message
    assert result.report["model"]["platform"].startswith("mlflow")
    assert (await load(endpoint)).verdict is Verdict.PASSED


async def test_mlflow_refuses_columns_that_its_schema_has_not(mlflow: Server) -> None:
    dataset = {"source": SOURCE, "labelColumn": "label", "ignoreColumns": ["c"]}
    result = await validate({"invocations": {"url": mlflow.url}}, dataset=dataset)
    assert (result.verdict, result.reason) == (Verdict.ERROR, "RequestsRejected"), result.message


@asynccontextmanager
async def shim(url: str) -> AsyncIterator[str]:
    """The address of SageMaker's runtime, in front of a container: the path is all that differs."""

    async def forward(request: web.Request) -> web.Response:
        headers = {"Content-Type": request.headers["Content-Type"]}
        async with (
            ClientSession() as session,
            session.post(f"{url}/invocations", data=await request.read(), headers=headers) as answer,
        ):
            return web.Response(body=await answer.read(), status=answer.status, content_type="application/json")

    app = web.Application()
    app.router.add_post("/endpoints/{name}/invocations", forward)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_sagemaker_through_the_double(mlflow: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, given in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "y"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
    ):
        monkeypatch.setenv(name, given)
    with moto_server() as control:
        client = boto3.client("sagemaker", endpoint_url=control)
        role = "arn:aws:iam::123456789012:role/r"
        client.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "i"})
        variant = {"VariantName": "a", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        client.create_endpoint_config(EndpointConfigName="first", ProductionVariants=[variant])
        client.create_endpoint(EndpointName="live", EndpointConfigName="first")
        async with shim(mlflow.url) as runtime:
            urls = {"controlUrl": control, "runtimeUrl": runtime, "format": "DataframeSplit"}
            good = await validate({"sageMaker": {"endpointName": "live", **urls}})
            assert good.verdict is Verdict.PASSED, good.message
            assert good.report["model"] == {"model": "live", "version": "first", "platform": "sagemaker"}
            assert (await load({"sageMaker": {"endpointName": "live", **urls}})).verdict is Verdict.PASSED
            gone = await validate({"sageMaker": {"endpointName": "gone", **urls}})
            assert (gone.verdict, gone.reason) == (Verdict.ERROR, "ModelNotFound"), gone.message
            other = await validate({"sageMaker": {"endpointName": "live", "variant": "b", **urls}})
            assert "has no variant 'b'" in other.message


async def test_the_double_alone_would_have_answered_for_an_endpoint_that_is_not_there() -> None:
    """Why we ask for its existence ourselves."""
    with moto_server() as control:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "eu-west-1"}
        client = boto3.client("sagemaker-runtime", endpoint_url=control, **keys)
        answer = client.invoke_endpoint(EndpointName="nobody", Body=b"1")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
