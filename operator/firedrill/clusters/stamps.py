"""The key of the stamps of admission, as the operator reads it."""

import base64
import binascii
import time
from typing import Final

from firedrill.api.meta import STAMP_KEY, WEBHOOK_SECRET
from firedrill.api.resource import RunResource
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import NotFound
from firedrill.core.requester import VERBS, Requester, requester

#: Seconds until the key is read again: without admission there is none, and it may come any time.
_FRESH: Final = 30.0


class Stamps:
    """Tells who asked for a run."""

    def __init__(self, hub: KubeClient, namespace: str) -> None:
        self._hub = hub
        self._path = paths.path("v1", "secrets", namespace, WEBHOOK_SECRET)
        self._key = b""
        self._read_at = float("-inf")

    async def requester(self, resource: RunResource) -> Requester | None:
        """Who asked for what a resource says now; None without a stamp that holds. Raises ClusterError."""
        kind, meta = resource.kind.name, resource.meta
        if kind not in VERBS:
            return None
        if time.monotonic() - self._read_at > _FRESH:
            self._key = await self._load()
            self._read_at = time.monotonic()
        if not self._key:
            return None
        return requester(self._key, kind, meta.namespace, resource.raw_spec, meta.annotations)

    async def _load(self) -> bytes:
        try:
            secret = await self._hub.get(self._path)
        except NotFound:
            return b""
        try:
            return base64.b64decode((secret.get("data") or {}).get(STAMP_KEY, ""), validate=True)
        except binascii.Error:
            return b""
