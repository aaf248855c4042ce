"""Applying samples and reading conditions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo import HUB, Demo

Object = dict[str, Any]


@contextmanager
def applied(lab: Demo, path: Path, *, wait: bool = True) -> Iterator[Object]:
    """A sample that was applied, complete unless told otherwise; it is deleted afterwards."""
    lab.kubectl(HUB, "delete", "--ignore-not-found", "--wait", "--timeout=180s", "-f", str(path))
    lab.kubectl(HUB, "apply", "-f", str(path))
    try:
        if wait:
            lab.kubectl(HUB, "wait", "--for=condition=Complete", "--timeout=600s", "-f", str(path))
        yield lab.resource(path)
    finally:
        lab.kubectl(HUB, "delete", "--ignore-not-found", "--wait", "--timeout=180s", "-f", str(path))


def condition(resource: Object, name: str) -> str:
    """Status of a condition; empty where it is not set."""
    found = [c["status"] for c in resource.get("status", {}).get("conditions", []) if c["type"] == name]
    return str(found[0]) if found else ""


def settled_cluster(lab: Demo, context: str, resource: Object) -> Object:
    """The resource once its finalizer is gone: the operator takes it off right after the verdict."""
    meta = resource["metadata"]
    name = f"{resource['kind']}/{meta['name']}"
    lab.kubectl(
        context,
        "-n",
        meta["namespace"],
        "wait",
        name,
        "--timeout=30s",
        "--for=jsonpath={.status.conditions[?(@.type=='Complete')].status}=True",
    )
    for _ in range(30):
        found: Object = json.loads(
            lab.kubectl(context, "-n", meta["namespace"], "get", name, "-o", "json", capture=True)
        )
        if "finalizers" not in found["metadata"]:
            break
        lab.kubectl(context, "version")
    return found
