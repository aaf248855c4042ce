"""Specs, data and servers that are wrong, with the sentence that each must get: field, column or answer named."""

import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from firedrill.api.task import Result
from firedrill.runner.model import run
from firedrill.sources.context import SourceContext
from support.certificates import self_signed
from support.odd_servers import Answer, endless, hanging, http, listening, read_request, resetting, saying
from support.tasks import check_task

CSV = "a,b,label\n1,2,0\n3,4,1\n5,6,1\n"
JSON = "Content-Type: application/json"
OK = http(b"")
TRACEBACK = b'Traceback (most recent call last):\n  File "m.py", line 1\nValueError: X has 2 features, expected 3'


def infer(outputs: str) -> bytes:
    """An answer of the Open Inference Protocol."""
    return http(b'{"model_name": "m", "outputs": %s}' % outputs.encode(), "200 OK", JSON)


def routes(**answers: bytes | Answer) -> Answer:
    """Answers by a word in the path: ready, metadata (the rest of GET), infer (POST)."""

    async def answer(reader: Any, writer: Any) -> None:
        while request := await read_request(reader):
            path = request.split(b" ", 2)[1]
            kind = "infer" if request.startswith(b"POST") else "ready" if b"ready" in path else "metadata"
            if b"models/m/ready" in path and "model" in answers:
                kind = "model"
            found = answers.get(kind, OK if kind == "ready" else http(b"", "404 Not Found"))
            if callable(found):
                await found(_again(request, reader), writer)
                return
            writer.write(found)
            await writer.drain()

    return answer


def _again(request: bytes, reader: Any) -> Any:
    """A reader at whose start the request is once more."""
    reader._buffer[:0] = request
    return reader


@dataclass(frozen=True)
class Bad:
    """A case: what is wrong, and what is said of it. ``answer`` is the server, None where there is none to reach."""

    what: str
    said: str
    reason: str
    answer: Answer | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    csv: str = CSV
    tls: bool = False
    protocol: str = "openInference"


def _v2(what: str, said: str, reason: str, **answers: bytes | Answer) -> Bad:
    return Bad(what, said, reason, routes(**answers))


FAILED, ERROR_DATA, INVALID = "ErrorRateAboveLimit", "InvalidData", "InvalidSpec"
CASES: tuple[Bad, ...] = (
    # The resource
    Bad("no protocol", "set exactly one of openInference, kserve", INVALID, spec={"endpoint": {}}),
    Bad("two protocols", "2 are set", INVALID, spec={"endpoint": {
        "openInference": {"url": "http://a", "model": "m"}, "invocations": {"url": "http://a"}}}),
    Bad("an address without a scheme", "spec.endpoint.openInference.url", INVALID,
        spec={"endpoint": {"openInference": {"url": "model-server:8080", "model": "m"}}}),
    Bad("a number for a duration", "spec.endpoint.timeout", INVALID,
        spec={"endpoint": {"openInference": {"url": "http://a", "model": "m"}, "timeout": 5}}),
    Bad("a typing error", "spec.thresholds.minAcuracy", INVALID, spec={"thresholds": {"minAcuracy": 0.9}}),
    Bad("a rate of zero", "spec.load.rate", INVALID, spec={"load": {"rate": 0}}),
    Bad("a load that takes longer than the run", "timeout must be at least", INVALID,
        spec={"load": {"requests": 100000, "rate": 1}}),
    Bad("ranking without queries", "task Ranking needs dataset.groupColumn", INVALID, spec={"task": "Ranking"}),
    Bad("a limit of another task", "thresholds.maxRmse needs task: Regression", INVALID,
        spec={"thresholds": {"maxRmse": 1}}),
    # The data
    Bad("no such label column", "there is no column 'nope'; the columns are 'a', 'b', 'label'", ERROR_DATA,
        spec={"dataset": {"source": {"inline": {"csv": CSV}}, "labelColumn": "nope"}}),
    Bad("no such slice column", "there is no column 'region'", ERROR_DATA, spec={"slices": {"columns": ["region"]}}),
    Bad("a header alone", "no usable row", "TooFewRows", csv="a,b,label\n"),
    Bad("blanks in every row", "3 rows have blanks", "TooFewRows", csv="a,b,label\n,1,0\n2,,1\n3,4,\n"),
    Bad("infinite values alone", "1 rows have blanks", "TooFewRows", csv="a,b,label\ninf,1,0\n"),
    Bad("nothing to send", "no column is left to send", ERROR_DATA, csv="label\n1\n0\n"),
    Bad("rows of different length", "spec.dataset.source.inline.csv: not CSV", ERROR_DATA, csv="a,b,label\n1,2\n"),
    Bad("text for a model of numbers", "column 'a' holds text, not numbers", ERROR_DATA, routes(),
        csv="a,b,label\nx,1,0\n"),
    Bad("fractions for whole numbers", "takes INT64, but a feature holds 1.5", ERROR_DATA,
        routes(metadata=http(b'{"inputs":[{"name":"x","datatype":"INT64","shape":[-1,2]}]}')),
        csv="a,b,label\n1.5,2,0\n"),
    Bad("a local file in a cluster", "spec.dataset.source.file.path: local files", "SourceNotAllowed",
        spec={"dataset": {"source": {"file": {"path": "x.csv"}}, "labelColumn": "label"}}),
    Bad("no prompt", "there is no column 'prompt', which endpoint.chat.promptColumn names", ERROR_DATA,
        routes(metadata=http(b'{"data":[{"id":"m"}]}')), protocol="chat", spec={"task": "Text"}),
    Bad("two columns for one value", "form is Value, which takes one column; there are 2", ERROR_DATA, routes(),
        protocol="json", spec={"json": {"form": "Value"}}),
    Bad("a JSONPath that is none", "'$[' is no JSONPath", ERROR_DATA, routes(), protocol="json",
        spec={"json": {"prediction": "$["}}),
    # The way there
    Bad("credentials without a cluster", "spec.endpoint.credentials", "SourceNotAllowed", routes(),
        spec={"credentials": {"name": "s"}}),
    Bad("an InferenceService without a cluster", "can only be found in a cluster", "EndpointUnreachable",
        spec={"endpoint": {"kserve": {"name": "m", "namespace": "n"}}}),
    Bad("nobody listens", "can not be reached: Connect", "EndpointUnreachable",
        spec={"endpoint": {"openInference": {"url": "http://127.0.0.1:1", "model": "m"}}}),
    Bad("a name that is not known", "can not be reached", "EndpointUnreachable",
        spec={"endpoint": {"openInference": {"url": "http://no-such-host.invalid", "model": "m"}, "timeout": "3s"}}),
    Bad("a certificate of nobody", "its certificate is not accepted: self-signed certificate", "EndpointUnreachable",
        routes(), tls=True),
    Bad("no HTTP at all", "the answer is not HTTP", "EndpointUnreachable", saying(b"SSH-2.0-OpenSSH_9\r\n\r\n")),
    Bad("it hangs", "no answer within 0.5 s", "EndpointUnreachable", hanging, spec={"timeout": "500ms"}),
    Bad("it resets", "the connection was reset", "EndpointUnreachable", resetting),
    Bad("it closes", "the connection was closed before an answer", "EndpointUnreachable", saying(b"", close=True)),
    # What it says of itself
    _v2("not ready", "status 503, loading", "EndpointNotReady", ready=http(b"loading", "503 Unavailable")),
    _v2("a web page for health", "the answer is a web page ('Sign in')", "EndpointNotReady",
        ready=http(b"<html><title>Sign in</title></html>")),
    _v2("a redirect", "it redirects to /login; set that address", "EndpointNotReady",
        ready=http(b"", "302 Found", "Location: /login?token=secret")),
    _v2("ready: false with 200", "its body says not ready", "EndpointNotReady", ready=http(b'{"ready": false}')),
    _v2("no such model", "There is no model 'm'", "ModelNotFound", model=http(b"{}", "404 Not Found")),
    _v2("not allowed", "status 401, token needed", "EndpointNotReady",
        ready=http(b'{"error":"token needed"}', "401 Unauthorized")),
    _v2("it declares other features", "the model declares 5 features, and 2 columns would be sent", ERROR_DATA,
        metadata=http(b'{"inputs":[{"name":"x","datatype":"FP64","shape":[-1,5]}]}')),
    _v2("it declares several inputs", "declares 2 inputs ('x', 'y')", ERROR_DATA,
        metadata=http(b'{"inputs":[{"name":"x"},{"name":"y"}]}')),
    # What it answers
    _v2("a traceback", "X has 2 features, expected 3", FAILED, infer=http(TRACEBACK, "500 Oops")),
    _v2("a refusal of everything", "refused all 3 requests with status 422: bad input", "RequestsRejected",
        infer=http(b'{"detail":"bad input"}', "422 Unprocessable")),
    _v2("a web page for a prediction", "the answer is a web page", FAILED, infer=http(b"<!doctype html><p>hello")),
    _v2("an error with 200", "the answer has no outputs: out of memory", FAILED,
        infer=http(b'{"error":"out of memory"}')),
    _v2("NaN", "the output holds nan, which is no prediction", FAILED, infer=infer('[{"data": [NaN]}]')),
    _v2("infinity", "the output holds inf", FAILED, infer=infer('[{"data": [1e999]}]')),
    _v2("three rows for one", "has shape [3, 1], so 3 rows", FAILED, infer=infer('[{"shape":[3,1],"data":[1,0,1]}]')),
    _v2("no data", "the output holds no data", FAILED, infer=infer('[{"name":"p","data":[]}]')),
    _v2("an object for data", "neither number nor text", FAILED, infer=infer('[{"data":[{"a":1}]}]')),
    _v2("outputs that are no list", "the answer has no outputs", FAILED, infer=infer('{"a":1}')),
    _v2("truncated JSON", "the answer has no outputs", FAILED, infer=http(b'{"outputs": [{"data": [1')),
    _v2("a body that breaks off", "closed in the middle of an answer", FAILED,
        infer=saying(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", close=True)),
    _v2("a body without end", "the answer is larger than 16777216 bytes", FAILED, infer=endless),
    Bad("another output", "the answer has no output 'score'", FAILED, routes(infer=infer('[{"name":"p","data":[1]}]')),
        spec={"openInference": {"outputName": "score"}}),
    Bad("labels of another world", "no answer is any of the labels", "AccuracyBelowLimit",
        routes(infer=infer('[{"data":["cat"]}]')), spec={"thresholds": {"minAccuracy": 0.9}}),
    # Other tongues
    Bad("no /ping", "has no /ping", "ModelNotFound", routes(), protocol="invocations"),
    Bad("no predictions", "the answer has no predictions; it has 'ok'", FAILED,
        routes(metadata=OK, infer=http(b'{"ok": 1}')), protocol="invocations"),
    Bad("lines for one row", "the answer has 2 lines", FAILED, routes(metadata=OK, infer=http(b"1\n0\n")),
        protocol="invocations"),
    Bad("a chat without the model", "There is no model 'm' at", "ModelNotFound",
        routes(metadata=http(b'{"data":[{"id":"other"}]}')), protocol="chat", csv="prompt,label\nhi,ho\n",
        spec={"task": "Text"}),
    Bad("a chat without choices", "the answer has no choices", FAILED,
        routes(metadata=http(b'{"data":[{"id":"m"}]}'), infer=http(b'{"choices": []}')), protocol="chat",
        csv="prompt,label\nhi,ho\nyes,no\nup,down\n", spec={"task": "Text"}),
    Bad("nothing where it should be", "the answer has nothing at $.prediction", FAILED,
        routes(infer=http(b'{"result": 1}')), protocol="json"),
)  # fmt: skip


async def outcome(case: Bad) -> Result:
    """What a ModelValidation says of it."""
    async with _served(case) as url:
        endpoint: dict[str, Any] = {"url": url}
        if case.protocol in ("openInference", "chat"):
            endpoint["model"] = "m"
        given = dict(case.spec)
        endpoint |= given.pop(case.protocol, {})
        whole = {case.protocol: endpoint, "timeout": given.pop("timeout", "10s")}
        if "credentials" in given:
            whole["credentials"] = given.pop("credentials")
        spec = {
            "endpoint": whole,
            "dataset": {"source": {"inline": {"csv": case.csv}}, "labelColumn": "label"},
            "load": {"requests": 3, "warmup": 0, "rate": 100},
        }
        task = check_task("ModelValidation", spec | given)
        async with httpx.AsyncClient() as client:
            return await run(task, SourceContext(client))


@asynccontextmanager
async def _served(case: Bad) -> AsyncIterator[str]:
    if case.answer is None:
        yield "http://nobody.invalid"
        return
    async with listening(case.answer, _tls() if case.tls else None) as port:
        yield f"{'https' if case.tls else 'http'}://localhost:{port}"


def _tls() -> ssl.SSLContext:
    certificate, key = self_signed("localhost")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(certificate + key)
        tls.load_cert_chain(file.name)
    return tls
