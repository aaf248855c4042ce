"""A model server that speaks the Open Inference Protocol, version 2, over HTTP, as servers really do."""

import json
from collections.abc import Sequence
from urllib.parse import quote

from firedrill.api.endpoint import OpenInference
from firedrill.sources.http import shown
from firedrill.sources.serving.http import HttpAsker, why
from firedrill.sources.serving.port import Address, Columns, Facts, Ready, ReadyState, Reply, ReplyKind, Value
from firedrill.sources.serving.tensors import Plan, plan, prediction


class V2Http:
    """Speaks to one model of one server."""

    def __init__(self, endpoint: OpenInference, asker: HttpAsker) -> None:
        self._endpoint = endpoint
        self._asker = asker
        self._base = endpoint.url.rstrip("/").removesuffix("/v2")
        version = endpoint.version
        self._name = f"{endpoint.model!r}" if version is None else f"{endpoint.model!r} version {version!r}"
        suffix = f"/versions/{quote(version, safe='')}" if version is not None else ""
        self._model = f"{self._base}/v2/models/{quote(endpoint.model, safe='')}{suffix}"
        self._plan = Plan((), ())

    @property
    def address(self) -> Address:
        """Where rows are posted to."""
        return Address(f"{self._model}/infer", self._asker.headers("application/json"))

    async def ready(self) -> Ready:
        """Ask the server, then the model. A server without a health address is judged by its model alone."""
        server = await self._asker.get(f"{self._base}/v2/health/ready")
        where = shown(self._base)
        if server.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {server.error}")
        if server.status != 404 and not _says_ready(server):
            return Ready(ReadyState.NOT_READY, f"The server at {where} is not ready: {why(server)}")
        model = await self._asker.get(f"{self._model}/ready")
        if model.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {model.error}")
        if model.status == 404:
            return Ready(ReadyState.NOT_FOUND, f"There is no model {self._name} at {where}: {why(model)}")
        if not _says_ready(model):
            return Ready(ReadyState.NOT_READY, f"Model {self._name} at {where} is not ready: {why(model)}")
        return Ready(ReadyState.READY, f"Model {self._name} at {where} is ready")

    async def prepare(self, columns: Columns) -> Facts:
        """Names and types of inputs by the model's metadata. Raises InvalidTable where the columns do not fit it."""
        reply = await self._asker.get(self._model)
        metadata = reply.body if reply.kind is ReplyKind.ANSWERED and isinstance(reply.body, dict) else {}
        self._plan = plan(self._endpoint, columns, metadata)
        versions = metadata.get("versions")
        version = self._endpoint.version or (str(versions[0]) if isinstance(versions, list) and versions else "")
        return Facts(str(metadata.get("name") or ""), version, str(metadata.get("platform") or ""))

    def body(self, row: Sequence[Value | None]) -> bytes:
        """The body of an inference request for one row."""
        inputs = [
            {"name": item.name, "shape": item.shape, "datatype": item.datatype.value, "data": item.data}
            for item in self._plan.tensors(row)
        ]
        return json.dumps({"inputs": inputs}, separators=(",", ":")).encode()

    async def ask(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        reply = await self._asker.post(f"{self._model}/infer", body)
        return self.decode(reply) if reply.kind is ReplyKind.ANSWERED else reply

    def decode(self, reply: Reply) -> Reply:
        """The prediction in an answer."""
        return prediction(reply, self._endpoint.output_name)


def _says_ready(reply: Reply) -> bool:
    """Success is yes, with an empty body too, unless the body says no in so many words, or is a web page."""
    if reply.kind is not ReplyKind.ANSWERED or reply.error:
        return False
    said = reply.body.get("ready", True) if isinstance(reply.body, dict) else True
    return said is not False and str(said).lower() != "false"
