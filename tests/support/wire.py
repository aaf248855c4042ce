"""Builders of objects as a target's API server has them."""

from typing import Any

from firedrill.api import meta
from firedrill.clusters.cache import Key

Object = dict[str, Any]

KEY = Key("ChaosExperiment", "team", "check")


def run_object(role: str, *, uid: str = "u1", job: str = "cha-check-1", data: dict[str, str] | None = None) -> Object:
    """An object of a run of :data:`KEY` as an API server has it."""
    name = job if role == "runner" else f"{job}-{role}"
    labels = {meta.LABEL_UID: uid, meta.LABEL_KIND: KEY.kind, meta.LABEL_ROLE: role, meta.LABEL_MANAGED: "true"}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": labels,
            "annotations": {meta.ANNOTATION_RESOURCE: "team/check"},
        },
        "data": data or {},
        "status": {},
    }
