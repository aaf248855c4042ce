"""Values that a run must be able to put back, and that nobody else may read: passwords, keys, certificates.

A record is a ConfigMap, which many may read. So it holds references alone, and the values are in a Secret of
Firedrill's namespace. There is one Secret for each family of faults, and the chart makes it: RBAC can not tell one
Secret that does not exist yet from another, so whoever may create Secrets there could read all of them; the identity of
a family may get and patch just this one.

Keys begin with the Job of the run and the UID of the pod that wrote them. They are written before the record that
refers to them is claimed, and taken away once the record is settled, or when the run has ended without one.
"""

import base64
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from firedrill.api.changes import VaultRef
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.core.naming import vault_name
from firedrill.runner.ports import Clock, Cluster, Object
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

#: What one Secret may hold in all, of all runs that keep something there; Kubernetes ends at 1 MiB.
CAPACITY_BYTES: Final = 900 * 1024


class VaultError(ClusterError):
    """A value can not be kept, or is not there any more; the text names the place and never a value."""


class Vault:
    """The values of one run, as one pod of it sees them.

    Methods raise a ClusterError once all tries have failed; VaultError where trying again would not help.
    """

    def __init__(self, client: Cluster, clock: Clock, namespace: str, job: str, pod_uid: str) -> None:
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._job = job
        self._pod_uid = pod_uid
        self._staged: dict[VaultRef, bytes] = {}
        self._remembered: dict[VaultRef, bytes] = {}

    def ref(self, family: str, name: str) -> VaultRef:
        """Where a value of this run with a name of its own is kept. ``name`` may hold letters, digits, - and _."""
        key = f"{self._job}.{self._pod_uid}.{name}"
        return VaultRef(namespace=self._namespace, secret=vault_name(family), key=key)

    def stage(self, family: str, name: str, value: bytes) -> VaultRef:
        """Hold a value in memory, to be written by :meth:`commit`; staged again, the last one counts."""
        ref = self.ref(family, name)
        self._staged[ref] = value
        return ref

    async def commit(self) -> None:
        """Write all that is staged, in one request for each Secret. Written twice, it is there once."""
        by_secret: dict[str, dict[VaultRef, bytes]] = defaultdict(dict)
        for ref, value in self._staged.items():
            by_secret[ref.secret][ref] = value
        for secret, values in by_secret.items():
            await self._change(secret, lambda found, values=values: _added(found, values))  # type: ignore[misc]
            self._remembered |= values

    async def put(self, ref: VaultRef, value: bytes, *, instead_of: bytes | None = None) -> None:
        """Keep a value. Where another is kept already it is not replaced, unless it is ``instead_of``."""
        await self._change(ref.secret, lambda found: _added(found, {ref: value}, instead_of))
        self._remembered[ref] = value

    async def get(self, ref: VaultRef) -> bytes:
        """A value that was kept; also one that is gone since, where this process has seen it before."""
        try:
            await self.remember([ref])
        except (NotFound, VaultError):
            if ref not in self._remembered:
                raise
            log.exception("%s is gone; going on with what was seen of it before", ref.key)
        return self._remembered[ref]

    async def remember(self, refs: Iterable[VaultRef]) -> None:
        """Read values, so that they are known here even where somebody deletes the Secret."""
        by_secret: dict[str, list[VaultRef]] = defaultdict(list)
        for ref in refs:
            by_secret[ref.secret].append(ref)
        for secret, wanted in by_secret.items():
            held = _held(await self._read(secret))
            for ref in wanted:
                if ref.key not in held:
                    raise VaultError(f"Secret {self._namespace}/{secret} has no key {ref.key}")
                self._remembered[ref] = held[ref.key]

    async def readable(self, family: str) -> None:
        """Raise a ClusterError where the Secret of a family is not there, or may not be read."""
        await self._read(vault_name(family))

    async def jobs(self, family: str) -> set[str]:
        """The Jobs whose runs keep something in the Secret of a family."""
        return {key.partition(".")[0] for key in _held(await self._read(vault_name(family)))}

    async def forget(self, secrets: Iterable[str]) -> None:
        """Take away all that this run keeps in these Secrets, whichever of its pods wrote it."""
        for secret in sorted(set(secrets)):
            try:
                await self._change(secret, self._without_ours)
            except NotFound:
                log.info("there is no Secret %s: nothing is kept in it", secret)

    async def forget_own(self) -> None:
        """Take away what this pod has written, and no other."""
        for secret in sorted({ref.secret for ref in self._staged}):
            own = {ref.key for ref in self._staged}
            await self._change(secret, lambda found, own=own: dict.fromkeys(found.keys() & own))  # type: ignore[misc]

    def _without_ours(self, found: Mapping[str, bytes]) -> dict[str, bytes | None]:
        return {key: None for key in found if key.startswith(f"{self._job}.")}

    async def _read(self, secret: str) -> Object:
        path = paths.path("v1", "secrets", self._namespace, secret)
        return await retry(self._clock, lambda: self._client.get(path), f"reading Secret {secret}")

    async def _change(self, secret: str, wanted: Callable[[Mapping[str, bytes]], Mapping[str, bytes | None]]) -> None:
        """Write what ``wanted`` makes of the keys that are there, under the version that was read."""
        path = paths.path("v1", "secrets", self._namespace, secret)

        async def once() -> None:
            body = await self._client.get(path)
            changes = wanted(_held(body))
            if not changes:
                return
            data = {key: None if value is None else base64.b64encode(value).decode() for key, value in changes.items()}
            version = body["metadata"]["resourceVersion"]
            await self._client.patch(path, {"metadata": {"resourceVersion": version}, "data": data})

        await retry(self._clock, once, f"writing Secret {secret}")


def _held(body: Object) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (body.get("data") or {}).items()}


def _added(
    found: Mapping[str, bytes], values: Mapping[VaultRef, bytes], instead_of: bytes | None = None
) -> dict[str, bytes | None]:
    """What has to be written for these values to be there; raises VaultError where others are, or no room is left."""
    missing: dict[str, bytes | None] = {}
    for ref, value in values.items():
        there = found.get(ref.key)
        if there == value:
            continue
        if there is not None and there != instead_of:
            raise VaultError(f"Secret {ref.namespace}/{ref.secret} keeps another value at {ref.key}")
        missing[ref.key] = value
    size = sum(len(value) for value in found.values()) + sum(len(value or b"") for value in missing.values())
    if missing and size > CAPACITY_BYTES:
        raise VaultError(f"what is to be kept takes {size // 1024} KiB in one Secret, and it has room for 900")
    return missing
