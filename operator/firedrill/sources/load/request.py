"""Requests as bytes, made once."""

import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from firedrill.sources.load.pool import Peer

_PORTS: Final = {"http": 80, "https": 443}


def peer_of(url: str, tls: ssl.SSLContext, server_name: str | None) -> Peer:
    """Where connections for an address go to. Raises ValueError where its port is none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    return Peer(host, port, tls if parts.scheme == "https" else None, server_name or host)


def raw_request(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A whole HTTP/1.1 request. Values of headers must hold no line ends."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in ("host", "content-length")]
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + (body or b"")
