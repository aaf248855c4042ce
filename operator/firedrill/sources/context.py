"""What a source needs of the world around it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx

from firedrill.api.credentials import CredentialsRef
from firedrill.sources.serving.http import Access
from firedrill.sources.serving.kserve import ObjectReader

#: Reads the value of a key of a ConfigMap in the runner namespace, from data or binaryData. Raises LookupError when
#: there is no such ConfigMap or key, and OSError (TimeoutError is one) when the API server can not be asked.
ConfigMapReader = Callable[[str, str], Awaitable[bytes]]

#: Reads the credentials that a spec names. Raises PermissionError where they are not for it, OSError where the API
#: server can not be asked.
AccessReader = Callable[[CredentialsRef], Awaitable[Access]]

#: Lists objects of the target: API version, plural, namespace, labels. Raises as ObjectReader does.
ObjectLister = Callable[[str, str, str, dict[str, str]], Awaitable[list[dict[str, Any]]]]

#: Largest body that is downloaded.
MAX_DOWNLOAD: Final = 2 * 1024**3


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


@dataclass(frozen=True)
class SourceContext:
    """How tables are read and model servers reached.

    ``http`` downloads files. ``read_config_map`` is None where there is no cluster. ``allow_files`` lets local
    files be read, relative to ``base_dir`` or else to the working directory: for the command line alone.
    ``open_client`` makes the client of a load run. ``read_object``, ``list_objects`` and ``read_access`` are None where
    there is no cluster.
    """

    http: httpx.AsyncClient
    read_config_map: ConfigMapReader | None = None
    allow_files: bool = False
    base_dir: Path = Path()
    max_download: int = MAX_DOWNLOAD
    open_client: Callable[[int], aiohttp.ClientSession] = open_load_client
    read_object: ObjectReader | None = None
    list_objects: ObjectLister | None = None
    read_access: AccessReader | None = None
