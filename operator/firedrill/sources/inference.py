"""A model server that speaks the Open Inference Protocol, version 2, over HTTP, as servers really do."""

import asyncio
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from firedrill.sources.http import shown

Value = str | int | float | bool
_ERROR_SHOWN: Final = 200


class ReplyKind(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    HTTP_ERROR = "http-error"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    TRANSPORT = "transport"


@dataclass(frozen=True)
class Reply:
    """An answer or its absence. ``values`` are those of the prediction of one row."""

    kind: ReplyKind
    status: int | None = None
    values: tuple[Value, ...] = ()
    body: Any = None
    error: str = ""


class ReadyState(StrEnum):
    """What the server says of itself and of the model."""

    READY = "Ready"
    NOT_READY = "EndpointNotReady"
    NOT_FOUND = "ModelNotFound"
    UNREACHABLE = "EndpointUnreachable"


@dataclass(frozen=True)
class Ready:
    """A state and the sentence that explains it."""

    state: ReadyState
    message: str


@dataclass(frozen=True)
class TensorInfo:
    """The first input tensor by the model's metadata; empty where the server does not tell."""

    name: str = ""
    datatype: str = ""


class InferenceClient:
    """Speaks to one model of one server."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, model: str, version: str | None, timeout: float, output: str | None
    ) -> None:
        self._http = http
        self._base = url.rstrip("/").removesuffix("/v2")
        self._name = f"{model!r}" if version is None else f"{model!r} version {version!r}"
        suffix = f"/versions/{quote(version, safe='')}" if version is not None else ""
        self._model = f"{self._base}/v2/models/{quote(model, safe='')}{suffix}"
        self._timeout = timeout
        self._output = output

    async def ready(self) -> Ready:
        """Ask the server, then the model. A server without a health address is judged by its model alone."""
        server = await self._get(f"{self._base}/v2/health/ready")
        where = shown(self._base)
        if server.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {server.error}")
        if server.status != 404 and not _says_ready(server):
            return Ready(ReadyState.NOT_READY, f"The server at {where} is not ready: {_why(server)}")
        model = await self._get(f"{self._model}/ready")
        if model.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {model.error}")
        if model.status == 404:
            return Ready(ReadyState.NOT_FOUND, f"There is no model {self._name} at {where}: {_why(model)}")
        if not _says_ready(model):
            return Ready(ReadyState.NOT_READY, f"Model {self._name} at {where} is not ready: {_why(model)}")
        return Ready(ReadyState.READY, f"Model {self._name} at {where} is ready")

    async def input_tensor(self) -> TensorInfo:
        """The one input that the model's metadata names; empty when it names none, several, or is not to be had."""
        reply = await self._get(self._model)
        inputs = reply.body.get("inputs") if isinstance(reply.body, dict) else None
        if reply.kind is not ReplyKind.ANSWERED or not isinstance(inputs, list) or len(inputs) != 1:
            return TensorInfo()
        only = inputs[0] if isinstance(inputs[0], dict) else {}
        name, datatype = only.get("name"), only.get("datatype")
        return TensorInfo(name if isinstance(name, str) else "", datatype if isinstance(datatype, str) else "")

    async def infer(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        headers = {"content-type": "application/json"}
        reply = await self._send("POST", f"{self._model}/infer", body, headers)
        return prediction(reply, self._output) if reply.kind is ReplyKind.ANSWERED else reply

    async def _get(self, url: str) -> Reply:
        return await self._send("GET", url, None, {})

    async def _send(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        try:
            async with asyncio.timeout(self._timeout):
                # An address is sent as it was built: a name in it is already quoted.
                address = URL(url, encoded=True)
                async with self._http.request(method, address, data=body, headers=headers) as response:
                    content = await response.read()
                    status, phrase = response.status, response.reason or ""
        except TimeoutError:
            return Reply(ReplyKind.TIMEOUT, error=f"no answer within {self._timeout:g} s")
        except aiohttp.ClientConnectorError as error:
            return Reply(ReplyKind.TRANSPORT, error=error.os_error.strerror or str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(ReplyKind.TRANSPORT, error=str(error) or type(error).__name__)
        parsed = _json(content)
        if 200 <= status < 300:
            return Reply(ReplyKind.ANSWERED, status, body=parsed)
        return Reply(ReplyKind.HTTP_ERROR, status, body=parsed, error=_excerpt(content, phrase, parsed))


def prediction(reply: Reply, output: str | None) -> Reply:
    """The prediction in the body of a successful reply, or a MALFORMED reply that says what is wrong.

    Shapes are not trusted: [1], [1, 1] and [1, k] are all one row, and nested data is flattened.
    """
    body = reply.body
    outputs = body.get("outputs") if isinstance(body, dict) else None
    if not isinstance(outputs, list) or not outputs:
        said = f": {str(body['error'])[:_ERROR_SHOWN]}" if isinstance(body, dict) and "error" in body else ""
        return _malformed(reply, f"the answer has no outputs{said}")
    named = [item for item in outputs if isinstance(item, dict) and (output is None or item.get("name") == output)]
    if not named:
        return _malformed(reply, f"the answer has no output {output!r}" if output else "the outputs are not objects")
    data = named[0].get("data")
    values = _flatten(data if isinstance(data, list) else [data])
    if not values:
        return _malformed(reply, "the output holds no data")
    if not all(isinstance(value, Value) for value in values):
        return _malformed(reply, "the output holds something that is neither number nor text")
    return Reply(ReplyKind.ANSWERED, reply.status, tuple(values))


def _malformed(reply: Reply, error: str) -> Reply:
    return Reply(ReplyKind.MALFORMED, reply.status, error=error)


def _flatten(data: list[Any]) -> list[Any]:
    flat: list[Any] = []
    waiting = [iter(data)]
    while waiting:
        for item in waiting[-1]:
            if isinstance(item, list):
                waiting.append(iter(item))
                break
            flat.append(item)
        else:
            waiting.pop()
    return flat


def _says_ready(reply: Reply) -> bool:
    """Success is yes, with an empty body too, unless the body says no in so many words."""
    if reply.kind is not ReplyKind.ANSWERED:
        return False
    said = reply.body.get("ready", True) if isinstance(reply.body, dict) else True
    return said is not False and str(said).lower() != "false"


def _why(reply: Reply) -> str:
    status = f"status {reply.status}" if reply.status is not None else reply.kind.value
    said = "its body says not ready" if reply.kind is ReplyKind.ANSWERED else reply.error
    return f"{status}, {said}" if said else status


def _json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def _excerpt(content: bytes, phrase: str, parsed: Any) -> str:
    """The gist of an error body: its error field, else the last line of a traceback, else its start."""
    if isinstance(parsed, dict):
        for key in ("error", "detail", "message"):
            if parsed.get(key):
                return str(parsed[key])[:_ERROR_SHOWN]
    text = content[:20_000].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return phrase
    return (lines[-1] if lines[0].startswith("Traceback") else lines[0])[:_ERROR_SHOWN]
