"""A command that is started in a container of a pod: the first line that it writes, and why it ended if it did before.

The command goes on when nobody listens any more: what it starts must end by itself.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from firedrill.clusters.errors import Unreachable, api_error

_PROTOCOL: Final = "v4.channel.k8s.io"
_STDOUT, _STDERR, _ERROR = 1, 2, 3
_LONGEST: Final = 64 * 1024


@dataclass(frozen=True)
class Executed:
    """``line`` is empty where the command ended without one; ``error`` is then what is known of it."""

    line: str = ""
    error: str = ""


async def first_line(
    api: ApiClient, headers: dict[str, str], path: str, container: str, command: Sequence[str], timeout: float
) -> Executed:
    """Start a command, a list of arguments and never a shell's, and wait for its first line.

    Raises a subclass of ClusterError where it can not be asked for, and Unreachable where nothing is heard of it: then
    it may have been started.
    """
    query = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", each) for each in command)]
    url = f"{str(api.configuration.host).rstrip('/')}{path}/exec?{urlencode(query)}"
    session = _session(api)
    try:
        async with asyncio.timeout(timeout), session.ws_connect(url, headers=headers, protocols=(_PROTOCOL,)) as socket:
            return await _listen(socket)
    except aiohttp.WSServerHandshakeError as error:
        raise api_error(error.status, str(error.message), f"exec in {path} was refused: {error.message}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(f"exec in {path}: {error!r}") from error


async def _listen(socket: aiohttp.ClientWebSocketResponse) -> Executed:
    told: dict[int, bytes] = {_STDOUT: b"", _STDERR: b"", _ERROR: b""}
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel in told:
            told[channel] = (told[channel] + data)[:_LONGEST]
        if b"\n" in told[_STDOUT]:
            break
    line = told[_STDOUT].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    return Executed(line) if line else Executed(error=_why(told))


def _why(told: dict[int, bytes]) -> str:
    try:
        status: dict[str, Any] = json.loads(told[_ERROR] or b"{}")
    except ValueError:
        status = {}
    said = told[_STDERR].decode("utf-8", "replace").strip()
    return " ".join(part for part in (str(status.get("message", "")), said) if part) or "it ended without a word"


def _session(api: ApiClient) -> aiohttp.ClientSession:
    session: aiohttp.ClientSession = api.rest_client.pool_manager
    return session
