"""A model server that speaks the Open Inference Protocol, version 2, over gRPC."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError

from firedrill.api.endpoint import OpenInference
from firedrill.sources.serving.http import MAX_BODY, Access
from firedrill.sources.serving.port import (
    Address,
    Columns,
    Facts,
    Ready,
    ReadyState,
    Reply,
    ReplyKind,
    Value,
    malformed,
)
from firedrill.sources.serving.tensors import Plan, plan, prediction
from firedrill.sources.serving.v2messages import SERVICE, infer_request, infer_response, message

_ERROR_SHOWN: Final = 200
_CODES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}


class V2Grpc:
    """Speaks to one model of one server. Close it at the end."""

    def __init__(self, endpoint: OpenInference, access: Access, timeout: float) -> None:
        parts = urlsplit(endpoint.url)
        secure = parts.scheme == "https"
        self._target = f"{parts.hostname}:{parts.port or (443 if secure else 80)}"
        self._endpoint = endpoint
        self._timeout = timeout
        self._metadata = [(name.lower(), value) for name, value in access.headers().items()]
        options: list[tuple[str, Any]] = [("grpc.max_receive_message_length", MAX_BODY), ("grpc.enable_http_proxy", 0)]
        if access.server_name:
            options.append(("grpc.ssl_target_name_override", access.server_name))
        if secure:
            trusted = grpc.ssl_channel_credentials(access.ca.encode() or None)
            self._channel = grpc.aio.secure_channel(self._target, trusted, options)
        else:
            self._channel = grpc.aio.insecure_channel(self._target, options)
        self._plan = Plan((), ())

    @property
    def address(self) -> Address | None:
        """Not HTTP/1.1."""
        return None

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def ready(self) -> Ready:
        """Ask the server, then the model."""
        name, where = f"{self._endpoint.model!r}", self._target
        server = await self._call("ServerReady", message("Empty")().SerializeToString(), "Ready")
        if server.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {server.error}")
        if server.kind is not ReplyKind.ANSWERED or not server.body.ready:
            return Ready(ReadyState.NOT_READY, f"The server at {where} is not ready: {server.error or 'it says so'}")
        model = await self._call("ModelReady", self._model(), "Ready")
        # MLServer says of a model that it does not know UNKNOWN, and "not found" in words.
        if model.status == 404 or "not found" in model.error.lower():
            return Ready(ReadyState.NOT_FOUND, f"There is no model {name} at {where}: {model.error}")
        if model.kind is not ReplyKind.ANSWERED or not model.body.ready:
            return Ready(ReadyState.NOT_READY, f"Model {name} at {where} is not ready: {model.error or 'it says so'}")
        return Ready(ReadyState.READY, f"Model {name} at {where} is ready")

    async def prepare(self, columns: Columns) -> Facts:
        """Names and types of inputs by the model's metadata. Raises InvalidTable where the columns do not fit it."""
        reply = await self._call("ModelMetadata", self._model(), "ModelMetadata")
        told = reply.body if reply.kind is ReplyKind.ANSWERED else None
        inputs = [{"name": i.name, "datatype": i.datatype, "shape": list(i.shape)} for i in told.inputs] if told else []
        self._plan = plan(self._endpoint, columns, {"inputs": inputs})
        version = self._endpoint.version or (told.versions[0] if told and told.versions else "")
        return Facts(told.name if told else "", version, told.platform if told else "")

    def body(self, row: Sequence[Value | None]) -> bytes:
        """The request for one row."""
        return infer_request(self._endpoint.model, self._endpoint.version, self._plan.tensors(row))

    async def ask(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        reply = await self._call("ModelInfer", body, "InferResponse")
        return self.decode(reply) if reply.kind is ReplyKind.ANSWERED else reply

    def decode(self, reply: Reply) -> Reply:
        """The prediction in an answer."""
        try:
            body = infer_response(reply.body)
        except ValueError as error:
            return malformed(reply, f"the output can not be read: {error}")
        return prediction(Reply(reply.kind, reply.status, body=body), self._endpoint.output_name)

    def _model(self) -> bytes:
        named: Any = message("ModelName")(name=self._endpoint.model, version=self._endpoint.version or "")
        wire: bytes = named.SerializeToString()
        return wire

    async def _call(self, method: str, body: bytes, answer: str) -> Reply:
        """Ask with a message that is bytes already; the answer is parsed here, so that nonsense is a reply."""
        call = self._channel.unary_unary(SERVICE + method, lambda data: data, lambda data: data)
        try:
            content = await call(body, timeout=self._timeout, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            code, said = error.code(), (error.details() or error.code().name)[:_ERROR_SHOWN]
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                return Reply(ReplyKind.TIMEOUT, error=f"no answer within {self._timeout:g} s")
            if code is grpc.StatusCode.UNAVAILABLE:
                return Reply(ReplyKind.TRANSPORT, error=said)
            return Reply(ReplyKind.HTTP_ERROR, _CODES.get(code, 500), error=f"{code.name}: {said}")
        try:
            return Reply(ReplyKind.ANSWERED, 200, body=message(answer).FromString(content))
        except DecodeError as error:
            return Reply(ReplyKind.MALFORMED, 200, error=f"the answer is no {answer}: {error}"[:_ERROR_SHOWN])
