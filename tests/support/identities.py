"""Clients with the rights that the chart gives, and what they may do."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_secret
from support.encoded import encoded
from support.world import HUB_NAMESPACE, World

#: Gives a client of a service account.
Clients = Callable[[str], Awaitable[KubeClient]]


@asynccontextmanager
async def clients_of(world: World) -> AsyncIterator[Clients]:
    """Clients of service accounts on the hub, open until the end."""
    made: list[KubeClient] = []

    async def client(account: str) -> KubeClient:
        config = {"bearerToken": world.hub.token(HUB_NAMESPACE, account), "tlsClientConfig": {"insecure": True}}
        data = encoded({"server": world.hub.access.server, "config": json.dumps(config)})
        made.append(KubeClient(await api_from_secret(data), "hub"))
        return made[-1]

    try:
        yield client
    finally:
        for each in made:
            await each.close()
