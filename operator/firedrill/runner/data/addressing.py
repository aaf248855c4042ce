"""A data store by its Service, and who logs in: from a spec or from a record, the same way.

Clients are imported late: every runner and guardian knows how faults of data stores are undone, and few need to.
"""

from firedrill.api.changes import StoreChange
from firedrill.api.credentials import CredentialsRef
from firedrill.clusters import paths
from firedrill.clusters.access import Access
from firedrill.clusters.errors import NotFound
from firedrill.engines.chaos.faults.fields import SERVICE
from firedrill.runner.credentials import read_login
from firedrill.runner.data.stores import Broker, Cache, Database, StoreError
from firedrill.runner.undoing import UndoContext
from firedrill.sources.login import CredentialsRefused, Login


async def why_not_there(context: UndoContext, change: StoreChange) -> str:
    """Why the Service leads to no pod of its namespace; empty where it does. Raises ClusterError."""
    try:
        body = await context.client.get(paths.path(SERVICE.api, SERVICE.plural, change.namespace, change.name))
    except NotFound:
        return f"Service {change.key} does not exist"
    if body["spec"].get("type") == "ExternalName" or not body["spec"].get("selector"):
        # It may lead anywhere, also out of the namespace that takes part.
        return f"Service {change.key} has no selector: it may lead to where no experiment is allowed"
    return ""


async def uid_of_namespace(context: UndoContext, name: str) -> str:
    """The UID of the namespace of that name; empty where there is none. Raises ClusterError."""
    try:
        body = await context.client.get(paths.namespaces(name))
    except NotFound:
        return ""
    return str(body["metadata"]["uid"])


async def login_of(context: UndoContext, change: StoreChange) -> Login:
    """Who logs in; raises CredentialsRefused, ClusterError."""
    ref = CredentialsRef(name=change.secret) if change.secret else None
    return await read_login(context.client, context.clock, context.task, ref, tls=change.tls, username=change.username)


async def database_of(context: UndoContext, change: StoreChange) -> Database:
    """The Postgres of a change; raises StoreError where nobody can log in, ClusterError."""
    from firedrill.sources.postgres import Postgres

    login = await _login(context, change)
    return context.stores.database(
        Postgres(_host(change), change.port, change.database, login.username, login.password, login.tls, login.ca)
    )


async def broker_of(context: UndoContext, change: StoreChange) -> Broker:
    """The Kafka of a change; raises as database_of."""
    from firedrill.sources.kafka import Kafka

    login = await _login(context, change)
    return context.stores.broker(Kafka(_host(change), change.port, login.username, login.password, login.ssl_context()))


async def cache_of(context: UndoContext, change: StoreChange) -> Cache:
    """The Redis of a change; raises as database_of."""
    from firedrill.sources.redis import RedisServer

    login = await _login(context, change)
    number = int(change.database or 0)
    return context.stores.cache(
        RedisServer(_host(change), change.port, number, login.username, login.password, login.tls, login.ca)
    )


def store_needs(change: StoreChange) -> list[Access]:
    """What the API server must allow for a change to be undone; that the Secret may be read, logging in shows."""
    return [Access("get", SERVICE.plural, change.namespace)]


async def _login(context: UndoContext, change: StoreChange) -> Login:
    try:
        return await login_of(context, change)
    except CredentialsRefused as error:
        raise StoreError(str(error)) from error


def _host(change: StoreChange) -> str:
    return f"{change.name}.{change.namespace}.svc"
