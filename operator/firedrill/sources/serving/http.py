"""Requests over HTTP to a model server; every failure is a reply that says what a person has to know."""

import asyncio
import base64
import errno
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import aiohttp
from yarl import URL

from firedrill.sources.http import shown
from firedrill.sources.serving.port import Reply, ReplyKind
from firedrill.sources.serving.unsaid import without

_ERROR_SHOWN: Final = 200
#: Larger answers are not read.
MAX_BODY: Final = 16 * 1024**2
_TITLE: Final = re.compile(rb"<title[^>]*>\s*([^<]{1,120})", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """How a server is entered: headers that say who asks, and whom to trust. Never shown in messages."""

    token: str = field(default="", repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)
    server_name: str | None = None

    def headers(self) -> dict[str, str]:
        """Authorization, where there is anything to say."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        if self.username or self.password:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        return {}

    def ssl_context(self) -> ssl.SSLContext:
        """For TLS, verified by name. Raises ValueError where ca.crt is no certificate."""
        return _context(self.ca)


@lru_cache(maxsize=8)
def _context(ca: str) -> ssl.SSLContext:
    """Kept: to read all authorities of an image takes a twentieth of a second."""
    context = ssl.create_default_context()
    if ca:
        try:
            context.load_verify_locations(cadata=ca)
        except ssl.SSLError as error:
            raise ValueError("its ca.crt is no certificate in PEM") from error
    return context


class HttpAsker:
    """Asks one server."""

    def __init__(self, http: aiohttp.ClientSession, access: Access, timeout: float) -> None:
        self._http = http
        self._headers = access.headers()
        self._ssl = access.ssl_context()
        self._server_name = access.server_name
        self.timeout = timeout

    def headers(self, content_type: str) -> dict[str, str]:
        """What goes with each request."""
        return {"Content-Type": content_type, **self._headers}

    async def get(self, url: str) -> Reply:
        """Ask by GET."""
        return await self._send("GET", url, None, self._headers)

    async def post(self, url: str, body: bytes, content_type: str = "application/json") -> Reply:
        """Ask by POST."""
        return await self._send("POST", url, body, self.headers(content_type))

    async def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        try:
            async with asyncio.timeout(self.timeout):
                # An address is sent as it was built: a name in it is already quoted.
                async with self._http.request(
                    method,
                    URL(url, encoded=True),
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    ssl=self._ssl,
                    server_hostname=self._server_name,
                ) as response:
                    content = bytearray()
                    async for piece in response.content.iter_any():
                        content += piece
                        if len(content) > MAX_BODY:
                            error = f"the answer is larger than {MAX_BODY} bytes"
                            return Reply(ReplyKind.MALFORMED, response.status, error=error)
                    return _reply(response, bytes(content), body or b"")
        except TimeoutError:
            return Reply(ReplyKind.TIMEOUT, error=f"no answer within {self.timeout:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            return Reply(ReplyKind.TRANSPORT, error=f"its certificate is not accepted: {_certificate(error)}")
        except aiohttp.ClientConnectorSSLError as error:
            return Reply(ReplyKind.TRANSPORT, error=f"it does not speak TLS as we do: {error.os_error}"[:_ERROR_SHOWN])
        except aiohttp.ClientConnectorError as error:
            return Reply(ReplyKind.TRANSPORT, error=error.os_error.strerror or str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(ReplyKind.TRANSPORT, error=_broken(error))


def _reply(response: aiohttp.ClientResponse, content: bytes, sent: bytes) -> Reply:
    status = response.status
    parsed = parse_json(content)
    if 300 <= status < 400:
        target = shown(response.headers.get("Location", "")) or "nowhere"
        error = f"it redirects to {target}; set that address, redirects are not followed"
        return Reply(ReplyKind.HTTP_ERROR, status, error=error)
    if not 200 <= status < 300:
        said = excerpt(content, response.reason or "", parsed, sent)
        return Reply(ReplyKind.HTTP_ERROR, status, body=parsed, error=said)
    if parsed is None and content[:200].lstrip()[:1] == b"<":
        title = _TITLE.search(content[:20_000])
        said = f" ({title.group(1).decode(errors='replace').strip()!r})" if title else ""
        return Reply(ReplyKind.ANSWERED, status, body=None, error=f"the answer is a web page{said}")
    return Reply(ReplyKind.ANSWERED, status, body=parsed if parsed is not None else content.decode(errors="replace"))


def _broken(error: Exception) -> str:
    """What broke a connection, in words: the libraries have none for some."""
    if isinstance(error, OSError) and error.errno == errno.ECONNRESET:
        return "the connection was reset"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection was closed in the middle of an answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"the answer is not HTTP: {' '.join(error.message.split())}"[:_ERROR_SHOWN]
    return str(error) or type(error).__name__


def _certificate(error: aiohttp.ClientConnectorCertificateError) -> str:
    inner = error.certificate_error
    return str(getattr(inner, "verify_message", "") or inner)[:_ERROR_SHOWN]


def parse_json(content: bytes) -> Any:
    """The value of a JSON text; None where it is none (an empty body and null are None, too)."""
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def excerpt(content: bytes, phrase: str, parsed: Any, sent: bytes) -> str:
    """The gist of an error body: its error field, else the last line of a traceback, else its start.

    What was ``sent`` is left out: rows may be of persons, and servers repeat them.
    """
    if isinstance(parsed, dict):
        for key in ("error", "detail", "message"):
            if parsed.get(key):
                said = parsed[key]
                inner = said.get("message") if isinstance(said, dict) else None
                return without(str(inner or said), sent)[:_ERROR_SHOWN]
    text = content[:20_000].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return phrase
    return without(lines[-1] if lines[0].startswith("Traceback") else lines[0], sent)[:_ERROR_SHOWN]


def why(reply: Reply) -> str:
    """One phrase for why a question of health has no good answer."""
    status = f"status {reply.status}" if reply.status is not None else reply.kind.value
    said = reply.error or ("its body says not ready" if reply.kind is ReplyKind.ANSWERED else "")
    return f"{status}, {said}" if said else status
