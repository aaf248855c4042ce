"""Ways to a model: credentials that are sent and never shown, InferenceServices, gRPC messages."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from firedrill.api.credentials import CredentialsRef
from firedrill.api.endpoint import JsonEndpoint, KServeService, OpenInference, TensorType, Transport
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.runner.model import run
from firedrill.sources.context import SourceContext
from firedrill.sources.login import CredentialsRefused, Login
from firedrill.sources.serving.http import Access
from firedrill.sources.serving.kserve import resolve
from firedrill.sources.serving.port import Ready, ReadyState
from firedrill.sources.serving.tensors import Tensor
from firedrill.sources.serving.v2messages import infer_request, infer_response, message
from support.certificates import self_signed
from support.odd_servers import http, listening, read_request
from support.tasks import check_task

CSV = "a,label\n" + "1,1\n" * 5


async def validate(endpoint: dict[str, Any], access: Any, **more: Any) -> Result:
    spec = {
        "endpoint": {"json": endpoint, "credentials": {"name": "s"}, **more},
        "dataset": {"source": {"inline": {"csv": CSV}}, "labelColumn": "label"},
        "load": {"requests": 20, "warmup": 0, "rate": 100},
        "thresholds": {"maxErrorRate": 0.2},
    }
    task = check_task("ModelValidation", spec)
    async with httpx.AsyncClient() as client:
        return await run(task, SourceContext(client, read_login=access))


def guarded(seen: set[bytes]) -> Any:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            lines = [line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization:")]
            seen.update(lines)
            writer.write(http(b'{"prediction": 1}') if lines else http(b"who are you?", "401 Unauthorized"))

    return answer


@pytest.mark.parametrize(
    ("access", "sent"),
    [
        (Access(token="hush"), b"Authorization: Bearer hush"),
        (Access(username="u", password="hush"), b"Authorization: Basic dTpodXNo"),
    ],
)
@pytest.mark.system
async def test_credentials_are_sent_over_tls_that_is_verified(tmp_path: Path, access: Access, sent: bytes) -> None:
    certificate, key = self_signed("model.internal")
    (tmp_path / "tls.pem").write_bytes(certificate + key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "tls.pem")
    seen: set[bytes] = set()

    async def read(ref: CredentialsRef) -> Login:
        assert ref.name == "s"
        return Login(access.username, access.password, certificate.decode(), token=access.token)

    async with listening(guarded(seen), tls) as port:
        endpoint = {"url": f"https://127.0.0.1:{port}/"}
        refused = await validate(endpoint, read)
        named = await validate(endpoint, read, tlsServerName="model.internal")
    assert "its certificate is not accepted" in refused.message
    assert named.verdict is Verdict.PASSED, named.message
    assert seen == {sent}
    assert "hush" not in refused.model_dump_json() + named.model_dump_json() + repr(access)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(CredentialsRefused("not for you"), "SourceNotAllowed"), (OSError("away"), "SourceUnreachable")],
)
async def test_credentials_that_can_not_be_had(raised: Exception, reason: str) -> None:
    async def read(ref: CredentialsRef) -> Login:
        raise raised

    result = await validate({"url": "http://a/"}, read)
    assert result.reason == reason
    assert result.message == f"spec.endpoint.credentials: {raised}"


async def test_a_certificate_that_is_none_is_told() -> None:
    async def read(ref: CredentialsRef) -> Login:
        return Login(ca="no certificate")

    result = await validate({"url": "http://a/"}, read)
    assert "spec.endpoint.credentials: its ca.crt is no certificate" in result.message


def service(protocol: str | None = "v2", ready: str = "True", **status: Any) -> dict[str, Any]:
    model = {"protocolVersion": protocol} if protocol else {}
    given = {"conditions": [{"type": "Ready", "status": ready, "message": "pulling"}], "url": "http://m.n", **status}
    return {"spec": {"predictor": {"model": model}}, "status": given}


async def found(body: dict[str, Any] | OSError | LookupError | None) -> Any:
    async def read(*_: str) -> dict[str, Any]:
        if isinstance(body, Exception):
            raise body
        assert body is not None
        return body

    return await resolve(KServeService(name="m", namespace="n"), read if body is not None else None)


async def test_what_an_inference_service_speaks_is_read_from_it() -> None:
    assert await found(service("v2")) == OpenInference(url="http://m.n", model="m")
    grpc = await found(service("grpc-v2", address={"url": "http://m.n.svc"}))
    assert (grpc.url, grpc.transport) == ("http://m.n.svc", Transport.GRPC)
    v1 = await found(service(None))
    assert isinstance(v1, JsonEndpoint)
    assert v1.url == "http://m.n/v1/models/m:predict"


@pytest.mark.parametrize(
    ("body", "state", "said"),
    [
        (None, ReadyState.UNREACHABLE, "only be found in a cluster"),
        (LookupError(), ReadyState.NOT_FOUND, "There is no InferenceService n/m"),
        (PermissionError("may not be read"), ReadyState.UNREACHABLE, "may not be read"),
        (service(ready="False"), ReadyState.NOT_READY, "is not ready: pulling"),
        ({"status": {}}, ReadyState.NOT_READY, "has no address yet"),
    ],
)
async def test_a_service_that_can_not_be_asked(body: Any, state: ReadyState, said: str) -> None:
    ready = await found(body)
    assert isinstance(ready, Ready)
    assert (ready.state, said in ready.message) == (state, True)


@pytest.mark.parametrize("kind", list(TensorType))
def test_every_type_goes_into_a_grpc_request(kind: TensorType) -> None:
    value = "text" if kind is TensorType.BYTES else True if kind is TensorType.BOOL else 1
    wire = infer_request("m", None, (Tensor("x", kind, (1, 1), (value,)),))
    request: Any = message("InferRequest").FromString(wire)
    assert (request.model_name, request.inputs[0].datatype) == ("m", kind.value)
    assert sum(len(values) for _, values in request.inputs[0].contents.ListFields()) == 1


def test_raw_contents_are_read_and_damage_is_told() -> None:
    response: Any = message("InferResponse")(raw_output_contents=[b"\x00\x00\x80\x3f", b"\x02\x00\x00\x00ok"])
    response.outputs.add(name="a", datatype="FP32", shape=[1])
    response.outputs.add(name="b", datatype="BYTES", shape=[1])
    assert [item["data"] for item in infer_response(response)["outputs"]] == [[1.0], ["ok"]]
    response.raw_output_contents[1] = b"\xff\x00\x00\x00ok"
    with pytest.raises(ValueError, match="longer than the output"):
        infer_response(response)
