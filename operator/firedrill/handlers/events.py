"""What kopf tells us of, and what we make of it: keys for the queues, and nothing else."""

from typing import Any

import kopf

from firedrill.api.kinds import RUN_KINDS, TARGET_CLUSTER
from firedrill.api.meta import GROUP, VERSION
from firedrill.clusters.cache import Key
from firedrill.handlers.operator import Operator


def registry_for(operator: Operator) -> kopf.OperatorRegistry:
    """The handlers of an operator."""
    registry = kopf.OperatorRegistry()

    def on_startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.watching.server_timeout = 300
        settings.watching.inactivity_timeout = operator.settings.watch_silence
        settings.networking.request_timeout = 30
        settings.queueing.idle_timeout = 0.2

    def on_run_kind(event: Any, **_: Any) -> None:
        body = event["object"]
        meta = body["metadata"]
        operator.saw(Key(body["kind"], meta["namespace"], meta["name"]), meta, event["type"])

    def on_target(event: Any, **_: Any) -> None:
        meta = event["object"]["metadata"]
        operator.saw(meta["name"], meta, event["type"])

    kopf.on.startup(registry=registry)(on_startup)
    kopf.on.login(registry=registry)(login)
    for kind in RUN_KINDS.values():
        kopf.on.event(GROUP, VERSION, kind.plural, registry=registry)(on_run_kind)
    kopf.on.event(GROUP, VERSION, TARGET_CLUSTER.plural, registry=registry)(on_target)
    return registry


def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    """In a cluster by service account, else by kubeconfig."""
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
