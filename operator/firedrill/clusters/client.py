"""A client for one cluster: every request passes its limiter, its timeout and its counter."""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiolimiter import AsyncLimiter
from kubernetes.aio.client import ApiClient

from firedrill.api.meta import FIELD_MANAGER
from firedrill.clusters import executing
from firedrill.clusters.errors import ApiError, Unreachable, api_error

Object = dict[str, Any]
#: Called with cluster, verb and HTTP status (0 for no answer) of each request.
RequestObserver = Callable[[str, str, int], None]

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
#: So long a client waits for the answer to one request, unless it is told otherwise.
REQUEST_SECONDS = 15.0
#: Server-side apply; JSON is YAML.
APPLY_PATCH = "application/apply-patch+yaml"


def _ignore(_cluster: str, _verb: str, _status: int) -> None:
    return None


class KubeClient:
    """Requests to the API server of one cluster.

    Raises a subclass of :class:`firedrill.clusters.errors.ClusterError` for whatever goes wrong, and nothing
    else. A write that raises Unreachable may have taken effect.
    """

    def __init__(
        self,
        api: ApiClient,
        cluster: str,
        *,
        requests_per_second: float = 50,
        timeout: float = REQUEST_SECONDS,
        observer: RequestObserver = _ignore,
    ) -> None:
        self.cluster = cluster
        self._api = api
        self._limiter = AsyncLimiter(max_rate=requests_per_second, time_period=1)
        self._timeout = timeout
        self._observe = observer

    @property
    def server(self) -> str:
        """Address of the API server."""
        return str(self._api.configuration.host)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        """Read one object, or a list."""
        return await self._request("GET", path, params)

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Create an object in the collection at path."""
        return await self._request("POST", path, _write_params(dry_run), body)

    async def replace(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Replace an object; with metadata.resourceVersion in the body, only where it is unchanged."""
        return await self._request("PUT", path, _write_params(dry_run), body)

    async def patch(
        self,
        path: str,
        body: Object | list[Object],
        *,
        content_type: str = MERGE_PATCH,
        dry_run: bool = False,
        manager: str = FIELD_MANAGER,
    ) -> Object:
        """Change some fields of an object, in the name of a field manager."""
        params = _write_params(dry_run) | {"fieldManager": manager}
        if content_type == APPLY_PATCH:
            params["force"] = "true"
        return await self._request("PATCH", path, params, body, content_type)

    async def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete an object; with uid or version, only where it is still the same, or unchanged (else Conflict)."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        given = {"uid": uid, "resourceVersion": resource_version}
        if preconditions := {name: value for name, value in given.items() if value}:
            body["preconditions"] = preconditions
        if dry_run:
            body["dryRun"] = ["All"]
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        return await self._request("DELETE", path, None, body)

    async def text(self, path: str, params: Mapping[str, str] | None = None) -> str:
        """Read a body that is not JSON, such as a pod's log."""
        return (await self._raw("GET", path, params)).decode("utf-8", "replace")

    async def execute(
        self, path: str, container: str, command: Sequence[str], *, timeout: float = 30
    ) -> executing.Executed:
        """Start a command in a container of the pod at path, and wait for its first line; it goes on afterwards."""
        headers = {"User-Agent": FIELD_MANAGER}
        await self._limiter.acquire()
        await self._authorize(headers)
        return await executing.first_line(self._api, headers, path, container, command, timeout)

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], *, silence: float
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """Open a watch and yield its events.

        Raises Unreachable when no event and no bookmark came for ``silence`` seconds, and Gone when the
        resourceVersion is too old.
        """
        query = {**params, "watch": "true", "allowWatchBookmarks": "true"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=silence)
        response = await self._send("GET", path, query, None, "application/json", timeout)
        try:
            yield self._events(response)
        finally:
            response.close()

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncIterator[Object]:
        try:
            async for line in response.content:
                if not line.strip():
                    continue
                event: Object = json.loads(line)
                if event.get("type") == "ERROR":
                    status = event.get("object", {})
                    raise api_error(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
                yield event
        except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as error:
            raise Unreachable(f"watch of {self.cluster} broke off: {error!r}") from error

    async def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        raw = await self._raw(method, path, params, body, content_type)
        try:
            parsed: Object = json.loads(raw) if raw else {}
        except json.JSONDecodeError as error:
            raise Unreachable(f"{method} {path} at {self.cluster}: the answer is not JSON: {raw[:80]!r}") from error
        return parsed

    async def _raw(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Object | list[Object] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        response = await self._send(method, path, params, body, content_type, timeout)
        try:
            return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{method} {path} at {self.cluster}: {error!r}") from error
        finally:
            response.release()

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Object | list[Object] | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": FIELD_MANAGER}
        await self._limiter.acquire()
        try:
            await self._authorize(headers)
            url = self.server.rstrip("/") + path + (f"?{urlencode(params)}" if params else "")
            response: aiohttp.ClientResponse = await self._api.rest_client.request(
                method, url, headers=headers, body=body, _preload_content=False, _request_timeout=timeout
            )
            failure = await response.read() if response.status >= 400 else b""
        except (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError) as error:
            self._observe(self.cluster, method, 0)
            raise Unreachable(f"{method} {path} at {self.cluster}: {error!r}") from error
        self._observe(self.cluster, method, response.status)
        if response.status >= 400:
            retry_after = response.headers.get("Retry-After", "")
            response.release()
            raise _error_of(response.status, failure, retry_after)
        return response

    async def _authorize(self, headers: dict[str, str]) -> None:
        """Add the bearer token; one that has run out is fetched anew."""
        token = (await self._api.configuration.auth_settings()).get("BearerToken")
        if token:
            headers[token["key"]] = token["value"]


def _write_params(dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}


def _error_of(status: int, body: bytes, retry_after: str) -> ApiError:
    try:
        parsed = json.loads(body)
        error = api_error(status, parsed.get("reason", ""), parsed.get("message", ""))
    except (json.JSONDecodeError, AttributeError):
        error = api_error(status, "", body[:500].decode("utf-8", "replace"))
    if retry_after.isdigit() and hasattr(error, "retry_after"):
        error.retry_after = float(retry_after)
    return error
