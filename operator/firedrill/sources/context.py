"""What a source needs of the world around it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import httpx

from firedrill.api.credentials import CredentialsRef
from firedrill.sources.login import CredentialsRefused, Login
from firedrill.sources.serving.kserve import ObjectReader

#: Reads the value of a key of a ConfigMap in the runner namespace, from data or binaryData. Raises LookupError when
#: there is no such ConfigMap or key, and OSError (TimeoutError is one) when the API server can not be asked.
ConfigMapReader = Callable[[str, str], Awaitable[bytes]]

#: Lists objects of the target: API version, plural, namespace, labels. Raises as ObjectReader does.
ObjectLister = Callable[[str, str, str, dict[str, str]], Awaitable[list[dict[str, Any]]]]

#: The folder that a PersistentVolumeClaim is mounted at. Raises LookupError when there is no such claim,
#: PermissionError when the resource may not use it, and OSError when the API server can not be asked.
VolumeFinder = Callable[[str], Awaitable[Path]]

#: Largest body that is downloaded.
MAX_DOWNLOAD: Final = 2 * 1024**3


class LoginReader(Protocol):
    """Who connects, by reference. Raises CredentialsRefused, and OSError when the API server can not be asked."""

    async def __call__(self, ref: CredentialsRef | None, *, tls: bool = False, username: str = "") -> Login:
        """The login; ``username`` counts before that of the Secret."""
        ...


async def without_secrets(ref: CredentialsRef | None, *, tls: bool = False, username: str = "") -> Login:
    """Logins where there is no Secret to be read."""
    if ref is not None:
        raise CredentialsRefused(f"Secret {ref.name} can only be read in a cluster")
    return Login(username, tls=tls)


def open_load_client(connections: int) -> aiohttp.ClientSession:
    """A client that keeps as many connections as requests may be in flight, and asks no proxy.

    aiohttp, because a request costs it a tenth of a millisecond, twenty times less than httpx: what the client
    takes is measured as if the server took it. To be called with a running event loop.
    """
    connector = aiohttp.TCPConnector(limit=connections)
    # Each request has a deadline of its own.
    return aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(), cookie_jar=aiohttp.DummyCookieJar()
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SourceContext:
    """How tables are read and model servers reached.

    ``http`` downloads files. ``read_config_map``, ``find_volume``, ``read_object`` and ``list_objects`` are None where
    there is no cluster. ``allow_files`` lets local files be read, relative to ``base_dir`` or else to the working
    directory: for the command line alone. ``open_client`` makes the client of a load run. ``now`` is when the run
    began: what windows are relative to, so that all tables of a run, and a run that is tried again, have the same.
    """

    http: httpx.AsyncClient
    read_config_map: ConfigMapReader | None = None
    allow_files: bool = False
    base_dir: Path = Path()
    max_download: int = MAX_DOWNLOAD
    open_client: Callable[[int], aiohttp.ClientSession] = open_load_client
    read_object: ObjectReader | None = None
    list_objects: ObjectLister | None = None
    read_login: LoginReader = without_secrets
    find_volume: VolumeFinder | None = None
    now: datetime = field(default_factory=_utc_now)
