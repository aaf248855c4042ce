"""Credentials by reference: a Secret of the runner namespace that admits the hub namespace of the resource.

What is read is held in memory alone, and no text of ours ever holds it: not a record, not a report, not a log.
"""

import base64

from firedrill.api.credentials import CredentialsRef
from firedrill.api.meta import LABEL_HUB_NAMESPACE
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.errors import Forbidden, NotFound
from firedrill.runner.ports import Clock, Cluster
from firedrill.runner.retry import retry
from firedrill.sources.login import LOGIN_KEYS, CredentialsRefused, Login


async def read_login(
    client: Cluster, clock: Clock, task: Task, ref: CredentialsRef | None, *, tls: bool = False, username: str = ""
) -> Login:
    """What a Secret holds, if the resource may use it; ``username`` counts before that of the Secret.

    Raises CredentialsRefused, and ClusterError where the API server does not answer.
    """
    if ref is None:
        return Login(username, tls=tls)
    label = f"Secret {task.runner_namespace}/{ref.name}"
    try:
        path = paths.path("v1", "secrets", task.runner_namespace, ref.name)
        body = await retry(clock, lambda: client.get(path), f"reading {label}")
    except NotFound as error:
        raise CredentialsRefused(f"{label} does not exist") from error
    except Forbidden as error:
        raise CredentialsRefused(f"{label} may not be read; the chart's target.credentials must name it") from error
    admits = (body["metadata"].get("labels") or {}).get(LABEL_HUB_NAMESPACE, "")
    if admits != task.namespace:
        raise CredentialsRefused(
            f"{label} is not meant for resources of namespace {task.namespace}: it has no label "
            f"{LABEL_HUB_NAMESPACE}={task.namespace}"
        )
    data = body.get("data") or {}
    texts = {key: _text(label, key, data[key]) for key in LOGIN_KEYS if key in data}
    return Login.of(texts, tls=tls, username=username)


def _text(label: str, key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError as error:
        raise CredentialsRefused(f"key {key} of {label} is no text") from error
