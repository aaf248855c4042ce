"""What the operator asks of runner and guardian, written where both look: in the record of the run."""

from collections.abc import Mapping
from typing import Any

from firedrill.api.meta import CONTROL_KEY
from firedrill.api.record import Control
from firedrill.clusters import jobs, paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import Conflict, NotFound
from firedrill.core import naming

Object = dict[str, Any]


async def set_control(
    client: KubeClient,
    namespace: str,
    job: str,
    control: Control,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    *,
    fence: bool,
) -> None:
    """Write ``control`` into the record of a run. With ``fence`` one that is not there is created.

    ``labels`` and ``annotations`` are those that a new record gets.
    """
    name = naming.record_name(job)
    data = {CONTROL_KEY: control.model_dump_json(by_alias=True)}
    try:
        await client.patch(paths.configmaps(namespace, name), {"data": data})
        return
    except NotFound:
        if not fence:
            return
    metadata: Object = {
        "name": name,
        "namespace": namespace,
        "labels": dict(labels),
        "annotations": dict(annotations),
    }
    try:
        owner = await client.get(paths.jobs(namespace, job))
        metadata["ownerReferences"] = [jobs.owner_reference(job, owner["metadata"]["uid"])]
    except NotFound:
        pass  # Without a Job to own it, it goes with its resource.
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    try:
        await client.create(paths.configmaps(namespace), body)
    except Conflict:
        await client.patch(paths.configmaps(namespace, name), {"data": data})
