"""A service that takes a row as JSON and answers JSON, mapped field by field."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from jsonpath import JSONPathError, JSONPathSyntaxError
from jsonpath import compile as compile_path

from firedrill.api.endpoint import JsonEndpoint, RowForm
from firedrill.sources.errors import InvalidTable
from firedrill.sources.http import shown
from firedrill.sources.serving.http import HttpAsker, why
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
    one_row,
)


class PlainJson:
    """Speaks to one service. Raises InvalidTable where the JSONPath of the prediction is none."""

    def __init__(self, endpoint: JsonEndpoint, asker: HttpAsker) -> None:
        self._endpoint = endpoint
        self._asker = asker
        self._columns: tuple[str, ...] = ()
        try:
            self._prediction = compile_path(endpoint.prediction)
        except JSONPathSyntaxError as error:
            raise InvalidTable(f"endpoint.json.prediction: {endpoint.prediction!r} is no JSONPath: {error}") from error

    @property
    def address(self) -> Address:
        """Where rows are posted to."""
        return Address(self._endpoint.url, self._asker.headers("application/json"))

    async def ready(self) -> Ready:
        """Ask the address of health; without one, the first requests will show."""
        where = shown(self._endpoint.url)
        if self._endpoint.health_path is None:
            return Ready(ReadyState.READY, f"{where} has no address of health")
        parts = urlsplit(self._endpoint.url)
        reply = await self._asker.get(f"{parts.scheme}://{parts.netloc}{self._endpoint.health_path}")
        if reply.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {reply.error}")
        if reply.kind is not ReplyKind.ANSWERED:
            return Ready(ReadyState.NOT_READY, f"The service at {where} is not ready: {why(reply)}")
        return Ready(ReadyState.READY, f"The service at {where} is ready")

    async def prepare(self, columns: Columns) -> Facts:
        """Remember the columns. Raises InvalidTable where one value is wanted and there are more columns."""
        if self._endpoint.form is RowForm.VALUE and len(columns.names) != 1:
            raise InvalidTable(f"endpoint.json.form is Value, which takes one column; there are {len(columns.names)}")
        self._columns = columns.names
        return Facts()

    def body(self, row: Sequence[Value | None]) -> bytes:
        """The request for one row."""
        match self._endpoint.form:
            case RowForm.OBJECT:
                body: Any = dict(zip(self._columns, row, strict=True))
            case RowForm.LIST:
                body = list(row)
            case RowForm.VALUE:
                body = row[0]
        for step in reversed(self._endpoint.request_path):
            body = [body] if step == "[]" else {step: body}
        if self._endpoint.constants:
            if not isinstance(body, dict):
                raise InvalidTable("endpoint.json.constants needs a body that is an object; set form or requestPath")
            body = {**self._endpoint.constants, **body}
        return json.dumps(body, separators=(",", ":")).encode()

    async def ask(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        reply = await self._asker.post(self._endpoint.url, body)
        return self.decode(reply) if reply.kind is ReplyKind.ANSWERED else reply

    def decode(self, reply: Reply) -> Reply:
        """The prediction in an answer."""
        if not isinstance(reply.body, dict | list):
            return malformed(reply, reply.error or "the answer is not a JSON object")
        try:
            found = list(self._prediction.finditer(reply.body))
        except JSONPathError as error:
            return malformed(reply, f"the answer can not be searched: {error}")
        if not found:
            return malformed(reply, f"the answer has nothing at {self._endpoint.prediction}")
        # A place in a list, or the fields of an object, are of one row; all of a list may be of several.
        fields = all(isinstance(match.parts[-1], str) for match in found if match.parts)
        is_row = fields if len(found) > 1 else bool(found[0].parts) and isinstance(found[0].parts[-1], int)
        data = found[0].obj if len(found) == 1 else [match.obj for match in found]
        return one_row(reply, data, f"what is at {self._endpoint.prediction}", is_row=is_row)
