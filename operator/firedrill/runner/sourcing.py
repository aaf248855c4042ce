"""The sources of a run inside a target: HTTP, and ConfigMaps of the runner namespace."""

import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from firedrill.api.credentials import CredentialsRef
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, NotFound
from firedrill.runner.context import RunContext
from firedrill.runner.credentials import CredentialsRefused, read_login
from firedrill.runner.retry import retry
from firedrill.sources.context import SourceContext
from firedrill.sources.serving.http import Access


@asynccontextmanager
async def source_context(context: RunContext) -> AsyncIterator[SourceContext]:
    """Sources that see what the run's pod sees; local files are not among them."""

    async def read_config_map(name: str, key: str) -> bytes:
        return await read_key(context, name, key)

    async def read_object(api_version: str, plural: str, namespace: str, name: str) -> dict[str, Any]:
        return await read_at(context, paths.path(api_version, plural, namespace, name), f"{plural} {namespace}/{name}")

    async def list_objects(
        api_version: str, plural: str, namespace: str, labels: dict[str, str]
    ) -> list[dict[str, Any]]:
        path = paths.path(api_version, plural, namespace)
        selector = {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
        body = await read_at(context, path, f"{plural} of {api_version} in {namespace}", selector)
        return list(body.get("items") or [])

    async def read_access(ref: CredentialsRef) -> Access:
        try:
            login = await read_login(context.client, context.clock, context.task, ref)
        except CredentialsRefused as error:
            raise PermissionError(str(error)) from error
        except ClusterError as error:
            raise OSError(str(error)) from error
        return Access(login.token, login.username, login.password, login.ca)

    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
        yield SourceContext(
            http=http,
            read_config_map=read_config_map,
            read_object=read_object,
            list_objects=list_objects,
            read_access=read_access,
        )


async def read_key(context: RunContext, name: str, key: str) -> bytes:
    """The value of a key; raises LookupError where there is none, OSError where it can not be asked for."""
    namespace = context.task.runner_namespace
    label = f"ConfigMap {namespace}/{name}"
    body = await read_at(context, paths.configmaps(namespace, name), label)
    text = (body.get("data") or {}).get(key)
    if text is not None:
        return str(text).encode()
    encoded = (body.get("binaryData") or {}).get(key)
    if encoded is None:
        raise LookupError(f"{label} has no key {key}")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise OSError(f"key {key} of {label} is not base64: {error}") from error


async def read_at(context: RunContext, path: str, label: str, params: dict[str, str] | None = None) -> dict[str, Any]:
    """An object or a list; raises LookupError where there is none, OSError where it can not be asked for."""
    try:
        return await retry(context.clock, lambda: context.client.get(path, params), f"reading {label}")
    except NotFound as error:
        raise LookupError(f"{label} does not exist") from error
    except Forbidden as error:
        raise PermissionError(f"{label} may not be read: {error.message}") from error
    except ClusterError as error:
        raise OSError(f"{label} can not be read: {error}") from error
