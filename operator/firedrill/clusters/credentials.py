"""How a client gets to its cluster: in the cluster, by kubeconfig, or by a Secret."""

import base64
import binascii
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from tempfile import NamedTemporaryFile
from typing import Any, Final

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from firedrill.api.errors import InvalidInput

log = logging.getLogger(__name__)

#: Tokens are asked for again after so long; those of clouds live for a quarter of an hour.
_TOKEN_SECONDS: Final = 60.0
#: What reading credentials that a person wrote raises, beside the library's own error: it checks little itself.
_UNREADABLE = (config.ConfigException, TypeError, AttributeError, ValueError, LookupError, OSError)


async def api_from_environment(context: str | None = None) -> ApiClient:
    """The cluster that this process runs in, else the one of KUBECONFIG.

    Raises InvalidInput when there is neither.
    """
    configuration = _configuration()
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not context:
            config.load_incluster_config(client_configuration=configuration)
        else:
            # The library would use what KUBECONFIG said when it was imported.
            chosen = os.environ.get("KUBECONFIG") or None

            async def load(into: Configuration) -> None:
                await config.load_kube_config(chosen, context=context, client_configuration=into)

            await load(configuration)
            _keep_fresh(configuration, load)
    except _UNREADABLE as error:
        raise InvalidInput(f"no cluster to talk to: {error}; set KUBECONFIG or choose a context") from error
    return _client(configuration)


async def api_from_secret(data: Mapping[str, str]) -> ApiClient:
    """A cluster from the base64 data of a Secret: a ``kubeconfig`` key, or Argo CD's ``server`` and ``config``.

    Raises InvalidInput that names what is missing or wrong.
    """
    try:
        decoded = {key: base64.b64decode(value, validate=True).decode() for key, value in data.items()}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidInput(f"the Secret holds data that is not text: {error}") from error
    configuration = _configuration()
    if "kubeconfig" in decoded:
        await _from_kubeconfig(decoded["kubeconfig"], configuration)
        return _client(configuration)
    if "server" in decoded and "config" in decoded:
        return _from_argo(decoded["server"], decoded["config"], configuration)
    raise InvalidInput("the Secret needs the key kubeconfig, or the keys server and config")


def _configuration() -> Configuration:
    configuration = Configuration()
    # The queue retries, with backoff. False would be taken for a number of tries that is never reached.
    configuration.retries = None
    # Each watch keeps a connection: with a limit, the last ones would leave none for anything else. Requests are
    # limited by their rate.
    configuration.connection_pool_maxsize = 0
    return configuration


def _keep_fresh(configuration: Configuration, load: Callable[[Configuration], Awaitable[None]]) -> None:
    """Have plugins asked, and files with tokens read, again now and then: what they give runs out."""
    loaded_at = time.monotonic()

    async def refresh(held: Configuration) -> None:
        nonlocal loaded_at
        if time.monotonic() - loaded_at < _TOKEN_SECONDS:
            return
        # Also where it fails: not every request is to try.
        loaded_at = time.monotonic()
        fresh = _configuration()
        try:
            await load(fresh)
            # A plugin that fails gives none, and the library says so in the log alone.
            held.api_key = _tokens(fresh) or held.api_key
        except _UNREADABLE as error:
            log.warning("the credentials of %s could not be fetched anew: %s", held.host, error)

    configuration.refresh_api_key_hook = refresh


def _tokens(configuration: Configuration) -> dict[str, str]:
    # A file that a token was read from often ends with a line break, which no header may hold.
    keys = {name: key.strip() for name, key in configuration.api_key.items()}
    if not all(key.isprintable() for key in keys.values()):
        raise InvalidInput("the token holds characters that no header may hold")
    return keys


def _client(configuration: Configuration) -> ApiClient:
    configuration.api_key = _tokens(configuration)
    try:
        return ApiClient(configuration=configuration)
    except _UNREADABLE as error:
        raise InvalidInput(f"certificates or keys can not be read: {error}") from error


async def _from_kubeconfig(text: str, configuration: Configuration) -> None:
    async def load(into: Configuration) -> None:
        await config.load_kube_config_from_dict(yaml.safe_load(text), client_configuration=into)

    try:
        await load(configuration)
        _keep_fresh(configuration, load)
    except (yaml.YAMLError, *_UNREADABLE) as error:
        raise InvalidInput(f"the Secret's kubeconfig can not be read: {error}") from error


def _from_argo(server: str, text: str, configuration: Configuration) -> ApiClient:
    try:
        parsed: dict[str, Any] = json.loads(text)
        tls: dict[str, Any] = parsed.get("tlsClientConfig") or {}
        ca = base64.b64decode(tls.get("caData", ""), validate=True).decode()
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidInput(f"the Secret's config is not that of an Argo CD cluster: {error}") from error
    token = parsed.get("bearerToken")
    if not token or not isinstance(token, str):
        raise InvalidInput("the Secret's config has no bearerToken, the only way of authentication that is read")
    configuration.host = server
    configuration.api_key["BearerToken"] = f"Bearer {token}"
    configuration.verify_ssl = not tls.get("insecure", False)
    configuration.tls_server_name = tls.get("serverName") or None
    if not ca:
        return _client(configuration)
    # The library takes certificates from files alone, and reads them once, when the client is made.
    with NamedTemporaryFile("w", suffix=".crt") as file:
        file.write(ca)
        file.flush()
        configuration.ssl_ca_cert = file.name
        return _client(configuration)
