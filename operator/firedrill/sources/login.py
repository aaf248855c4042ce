"""Who connects to a store."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: Keys of a Secret with a login; each may be absent.
LOGIN_KEYS: Final = ("username", "password", "token", "ca.crt", "urls")


class CredentialsRefused(Exception):
    """The Secret is not there, may not be read, or is not meant for the resource."""


@dataclass(frozen=True)
class Login:
    """Who connects, and whom to trust; empty where nothing is given."""

    username: str = ""
    password: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)
    tls: bool = False
    token: str = field(default="", repr=False)
    #: Whom a message goes to, one address of Apprise a line, with their tokens in them.
    urls: str = field(default="", repr=False)

    @classmethod
    def of(cls, secret: Mapping[str, str], *, tls: bool, username: str) -> "Login":
        """From the texts of a Secret, of which each of LOGIN_KEYS may be absent; ``username`` counts before its own."""
        user, password, token, ca, urls = (secret.get(key, "").rstrip("\n") for key in LOGIN_KEYS)
        return cls(username or user, password, ca, tls, token, urls)

    def ssl_context(self) -> ssl.SSLContext | None:
        """For TLS, verified by name; None without."""
        return ssl.create_default_context(cadata=self.ca or None) if self.tls else None
