"""A server with /ping and /invocations: MLflow, and any container made for SageMaker."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Final

from firedrill.api.endpoint import Invocations, InvocationsFormat
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

_JSON: Final = "application/json"
_ERROR_SHOWN: Final = 200


class RowWriter:
    """Writes a row as /invocations wants it."""

    def __init__(self, form: InvocationsFormat) -> None:
        self._form = form
        self.columns: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """What the body is."""
        return "text/csv" if self._form is InvocationsFormat.CSV else _JSON

    def body(self, row: Sequence[Value | None]) -> bytes:
        """One row; blanks are null, or empty."""
        if self._form is InvocationsFormat.CSV:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow("" if value is None else value for value in row)
            return text.getvalue().encode()
        match self._form:
            case InvocationsFormat.DATAFRAME_SPLIT:
                body: Any = {"dataframe_split": {"columns": self.columns, "data": [row]}}
            case InvocationsFormat.DATAFRAME_RECORDS:
                body = {"dataframe_records": [dict(zip(self.columns, row, strict=True))]}
            case _:
                body = {"instances": [row]}
        return json.dumps(body, separators=(",", ":")).encode()


class InvocationsServer:
    """Speaks to one server."""

    def __init__(self, endpoint: Invocations, asker: HttpAsker) -> None:
        self._asker = asker
        self._base = endpoint.url.rstrip("/").removesuffix("/invocations")
        self._writer = RowWriter(endpoint.format)

    @property
    def address(self) -> Address:
        """Where rows are posted to."""
        return Address(f"{self._base}/invocations", self._asker.headers(self._writer.content_type))

    async def ready(self) -> Ready:
        """Ask /ping: any success is yes."""
        reply, where = await self._asker.get(f"{self._base}/ping"), shown(self._base)
        if reply.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {reply.error}")
        if reply.status == 404:
            return Ready(ReadyState.NOT_FOUND, f"{where} has no /ping: it is no server of /invocations ({why(reply)})")
        if reply.kind is not ReplyKind.ANSWERED or reply.error:
            return Ready(ReadyState.NOT_READY, f"The server at {where} is not ready: {why(reply)}")
        return Ready(ReadyState.READY, f"The server at {where} is ready")

    async def prepare(self, columns: Columns) -> Facts:
        """Remember the columns. MLflow tells its version, others tell nothing."""
        self._writer.columns = columns.names
        reply = await self._asker.get(f"{self._base}/version")
        told = reply.kind is ReplyKind.ANSWERED and isinstance(reply.body, str) and len(reply.body) < 40
        return Facts(platform=f"mlflow {reply.body}" if told else "")

    def body(self, row: Sequence[Value | None]) -> bytes:
        """The request for one row."""
        return self._writer.body(row)

    async def ask(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        reply = await self._asker.post(f"{self._base}/invocations", body, self._writer.content_type)
        return self.decode(reply) if reply.kind is ReplyKind.ANSWERED else reply

    def decode(self, reply: Reply) -> Reply:
        """The prediction in an answer."""
        return invoked(reply)


def invoked(reply: Reply) -> Reply:
    """The prediction in an answer of /invocations: predictions, outputs, a bare list, or a line of CSV."""
    body = reply.body
    if isinstance(body, dict):
        for key in ("predictions", "outputs", "instances"):
            if key in body:
                return _named(reply, body[key], f"field {key!r}")
        said = f": {str(body['error'])[:_ERROR_SHOWN]}" if "error" in body else f"; it has {_listed(list(body))}"
        return malformed(reply, f"the answer has no predictions{said}")
    if isinstance(body, str):
        text = [line for line in body.strip().splitlines() if line.strip()]
        if len(text) != 1:
            return malformed(reply, f"the answer has {len(text)} lines, but one row was asked for")
        body = next(csv.reader(text))
    if body is None:
        return malformed(reply, reply.error or "the answer is empty")
    return one_row(reply, body, "the answer")


def _named(reply: Reply, predictions: Any, what: str) -> Reply:
    """MLflow answers rows as objects where the model names its outputs: the value of the only one."""
    rows = predictions if isinstance(predictions, list) else [predictions]
    odd = next((row for row in rows if isinstance(row, dict) and len(row) != 1), None)
    if odd is not None:
        named = _listed(list(odd))
        return malformed(reply, f"{what} has a row with the outputs {named}: one is needed; endpoint.json can name it")
    return one_row(reply, [next(iter(row.values())) if isinstance(row, dict) else row for row in rows], what)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:8]) or "nothing"
