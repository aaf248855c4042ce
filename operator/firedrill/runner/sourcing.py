"""The sources of a run inside a target: the network, and ConfigMaps, Secrets and volumes of the runner namespace."""

import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from firedrill.api.credentials import CredentialsRef
from firedrill.api.meta import LABEL_HUB_NAMESPACE
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, NotFound
from firedrill.clusters.jobs import VOLUMES
from firedrill.runner.context import RunContext
from firedrill.runner.credentials import read_login
from firedrill.runner.retry import retry
from firedrill.sources.context import SourceContext
from firedrill.sources.login import Login


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

    async def login(ref: CredentialsRef | None, *, tls: bool = False, username: str = "") -> Login:
        try:
            return await read_login(context.client, context.clock, context.task, ref, tls=tls, username=username)
        except ClusterError as error:
            raise OSError(f"Secret {ref.name if ref else ''} can not be read: {error}") from error

    async def find_volume(claim: str) -> Path:
        await check_claim(context, claim)
        return Path(VOLUMES) / claim

    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as http:
        yield SourceContext(
            http=http,
            read_config_map=read_config_map,
            read_object=read_object,
            list_objects=list_objects,
            read_login=login,
            find_volume=find_volume,
            now=context.task.started_at,
        )


async def check_claim(context: RunContext, claim: str) -> None:
    """That the resource may use a claim of the runner namespace, which says so by its label.

    Raises LookupError where there is none, PermissionError where it is for others, OSError where it can not be asked.
    """
    task = context.task
    label = f"PersistentVolumeClaim {task.runner_namespace}/{claim}"
    path = paths.path("v1", "persistentvolumeclaims", task.runner_namespace, claim)
    try:
        body = await retry(context.clock, lambda: context.client.get(path), f"reading {label}")
    except NotFound as error:
        raise LookupError(f"{label} does not exist") from error
    except Forbidden as error:
        raise PermissionError(f"{label} may not be read: {error.message}") from error
    except ClusterError as error:
        raise OSError(f"{label} can not be read: {error}") from error
    if (body["metadata"].get("labels") or {}).get(LABEL_HUB_NAMESPACE, "") != task.namespace:
        raise PermissionError(
            f"{label} is not meant for resources of namespace {task.namespace}: it has no label "
            f"{LABEL_HUB_NAMESPACE}={task.namespace}"
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
