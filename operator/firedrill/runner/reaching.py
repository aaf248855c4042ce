"""The model of an endpoint, reached from a run: with its credentials, or with the reason why it can not be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firedrill.api.credentials import CredentialsRef
from firedrill.api.endpoint import ModelEndpoint
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.login import CredentialsRefused
from firedrill.sources.serving.http import Access
from firedrill.sources.serving.open import open_model
from firedrill.sources.serving.port import Ready, ServedModel


async def access_to(ref: CredentialsRef | None, server_name: str | None, sources: SourceContext, field: str) -> Access:
    """Credentials that a spec names. Raises SourceError where they can not be had."""
    if ref is None:
        return Access(server_name=server_name)
    try:
        login = await sources.read_login(ref)
    except CredentialsRefused as error:
        raise SourceError(SourceReason.NOT_ALLOWED, f"{field}.credentials", str(error)) from error
    except OSError as error:
        raise SourceError(SourceReason.UNREACHABLE, f"{field}.credentials", str(error)) from error
    return Access(login.token, login.username, login.password, login.ca, server_name)


@asynccontextmanager
async def reached(
    endpoint: ModelEndpoint, sources: SourceContext, connections: int, field: str, data: str, *, stream: bool = False
) -> AsyncIterator[ServedModel | Ready]:
    """The model, with as many connections as requests may be in flight; Ready says why there is none to be asked.

    Raises SourceError, which names the field; ``data`` is that of the rows, for those that the model can not take.
    """
    access = await access_to(endpoint.credentials, endpoint.tls_server_name, sources, field)
    try:
        async with (
            sources.open_client(connections) as http,
            open_model(endpoint, http, access, sources.read_object, stream=stream) as model,
        ):
            try:
                yield model
            except InvalidTable as error:
                raise SourceError(SourceReason.INVALID_DATA, data, str(error)) from error
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, "spec", str(error)) from error
    except ValueError as error:
        raise SourceError(SourceReason.INVALID_DATA, f"{field}.credentials", str(error)) from error
