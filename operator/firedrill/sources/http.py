"""Files by HTTP GET."""

import asyncio
import tempfile
from pathlib import Path

import httpx

from firedrill.api.data import HttpSource
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.pinned import Pin, parse_pinned
from firedrill.sources.table import SourceTable


def shown(url: str) -> str:
    """An address for messages: without user, password and query, which may hold secrets."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "the address"
    return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))


async def download(
    client: httpx.AsyncClient, source: HttpSource, field: str, max_bytes: int, pin: Pin | None = None
) -> SourceTable:
    """Fetch and parse a file. The body goes to a temporary file, so that memory does not hold it twice.

    Raises SourceError: NotFound for 404 and 410, Unreachable for any other failure to fetch it within its
    timeout, InvalidData for what is too large or not a table.
    """
    name = f"{field}.url"
    with tempfile.TemporaryDirectory(prefix="firedrill-") as folder:
        path = Path(folder) / "body"
        try:
            async with asyncio.timeout(source.timeout.total_seconds()):
                await _fetch(client, source.url, path, name, max_bytes)
        except TimeoutError as error:
            message = f"GET {shown(source.url)} took longer than {source.timeout.total_seconds():g} s"
            raise SourceError(SourceReason.UNREACHABLE, name, message) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            message = f"GET {shown(source.url)} failed: {str(error) or type(error).__name__}"
            raise SourceError(SourceReason.UNREACHABLE, name, message) from error
        try:
            # An open file stays readable after its name is gone.
            return await asyncio.to_thread(parse_pinned, path, source.format, pin)
        except InvalidTable as error:
            raise SourceError(SourceReason.INVALID_DATA, name, f"{shown(source.url)}: {error}") from error


async def _fetch(client: httpx.AsyncClient, url: str, path: Path, field: str, max_bytes: int) -> None:
    async with client.stream("GET", url, follow_redirects=True, timeout=None) as response:
        if response.status_code != 200:
            reason = SourceReason.NOT_FOUND if response.status_code in (404, 410) else SourceReason.UNREACHABLE
            raise SourceError(reason, field, f"GET {shown(url)} answered {response.status_code}")
        if response.headers.get("content-type", "").lower().startswith("text/html"):
            message = f"GET {shown(url)} answered with an HTML page, such as that of a login, and no table"
            raise SourceError(SourceReason.INVALID_DATA, field, message)
        size = 0
        with path.open("wb") as stream:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > max_bytes:
                    message = f"{shown(url)} is larger than {max_bytes} bytes"
                    raise SourceError(SourceReason.INVALID_DATA, field, message)
                stream.write(chunk)
