"""How a spec names credentials: by reference, never by value."""

from typing import Annotated

from pydantic import Field

from firedrill.api.base import Model
from firedrill.api.run import Name

#: A host by name or address, as it is seen from the target.
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-zA-Z0-9.:_-]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class CredentialsRef(Model):
    """A Secret in the runner namespace of the target, labelled firedrill.dev/hub-namespace with the namespace of the
    resource that names it. It is read where it is needed, and copied nowhere."""

    name: Name = Field(
        description="Secret with the keys username, password or token and, for TLS, ca.crt; each may be absent."
    )


def somebody_logs_in(username: str | None, secret_ref: CredentialsRef | None) -> None:
    """Raises ValueError where nobody is named who logs in: neither in the spec nor in a Secret."""
    if username is None and secret_ref is None:
        raise ValueError("set username, secretRef or both")
