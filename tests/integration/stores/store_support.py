"""A run whose API server has one Secret, with the credentials of the stores."""

import base64

from chaos_clock import VirtualClock
from chaos_cluster import World
from probe_context import context_of

from firedrill.clusters import paths
from firedrill.runner.context import RunContext
from support.stores import PASSWORD

SECRET = "stores"
SECRET_PATH = paths.path("v1", "secrets", "firedrill", SECRET)


def context_with_secret(username: str = "", *, hub_namespace: str = "sre") -> RunContext:
    """A run of namespace ``sre`` on the hub; the Secret admits ``hub_namespace``."""
    world = World(VirtualClock())
    data = {"password": base64.b64encode(PASSWORD.encode()).decode()}
    if username:
        data["username"] = base64.b64encode(username.encode()).decode()
    world.put(SECRET_PATH, {"metadata": {"labels": {"firedrill.dev/hub-namespace": hub_namespace}}, "data": data})
    return context_of(world)
