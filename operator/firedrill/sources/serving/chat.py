"""A server of the chat completions API, as OpenAI has it."""

import json
from collections.abc import Sequence
from typing import Any

from firedrill.api.endpoint import Chat
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
)


class ChatServer:
    """Speaks to one model. ``stream`` asks for the answer piece by piece, for those who time the pieces."""

    def __init__(self, endpoint: Chat, asker: HttpAsker, *, stream: bool = False) -> None:
        self._endpoint = endpoint
        self._asker = asker
        self._base = endpoint.url.rstrip("/").removesuffix("/chat/completions")
        self._stream = stream
        self._prompt = 0

    @property
    def address(self) -> Address:
        """Where prompts are posted to."""
        return Address(f"{self._base}/chat/completions", self._asker.headers("application/json"))

    async def ready(self) -> Ready:
        """Ask for the list of models, which every such server has, and look for ours in it."""
        reply, where = await self._asker.get(f"{self._base}/models"), shown(self._base)
        if reply.kind in (ReplyKind.TIMEOUT, ReplyKind.TRANSPORT):
            return Ready(ReadyState.UNREACHABLE, f"{where} can not be reached: {reply.error}")
        if reply.kind is not ReplyKind.ANSWERED:
            return Ready(ReadyState.NOT_READY, f"The server at {where} is not ready: {why(reply)}")
        listed = reply.body.get("data") if isinstance(reply.body, dict) else None
        if not isinstance(listed, list):
            return Ready(ReadyState.NOT_READY, f"{where}/models is no list of models: {reply.error or 'wrong fields'}")
        names = [str(item.get("id")) for item in listed if isinstance(item, dict)]
        if self._endpoint.model not in names:
            has = ", ".join(repr(name) for name in names[:8]) or "none"
            message = f"There is no model {self._endpoint.model!r} at {where}; it has {has}"
            return Ready(ReadyState.NOT_FOUND, message)
        return Ready(ReadyState.READY, f"Model {self._endpoint.model!r} at {where} is ready")

    async def prepare(self, columns: Columns) -> Facts:
        """Find the prompt. Raises InvalidTable where there is no such column."""
        name = self._endpoint.prompt_column
        if name not in columns.names:
            raise InvalidTable(f"there is no column {name!r}, which endpoint.chat.promptColumn names")
        self._prompt = columns.names.index(name)
        return Facts(self._endpoint.model)

    def body(self, row: Sequence[Value | None]) -> bytes:
        """The request for one prompt."""
        messages = [{"role": "system", "content": self._endpoint.system}] if self._endpoint.system else []
        messages.append({"role": "user", "content": str(row[self._prompt])})
        body: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": messages,
            "max_tokens": self._endpoint.max_tokens,
            "temperature": self._endpoint.temperature,
        }
        if self._stream:
            body["stream"] = True
        return json.dumps(body, separators=(",", ":")).encode()

    async def ask(self, body: bytes) -> Reply:
        """Send one request; every failure is a reply."""
        reply = await self._asker.post(f"{self._base}/chat/completions", body)
        return self.decode(reply) if reply.kind is ReplyKind.ANSWERED else reply

    def decode(self, reply: Reply) -> Reply:
        """The text of the first choice."""
        choices = reply.body.get("choices") if isinstance(reply.body, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return malformed(reply, reply.error or "the answer has no choices")
        message = choices[0].get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str):
            return malformed(reply, "the first choice has no message with content")
        return Reply(ReplyKind.ANSWERED, reply.status, (content.strip(),))
