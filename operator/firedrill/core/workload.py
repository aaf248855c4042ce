"""What is seen of a workload that a resource waits for: its template, and whether that has been rolled out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from firedrill.api.meta import LABEL_RUN
from firedrill.api.rollout import WorkloadKind
from firedrill.core.naming import digest

#: How controllers number the templates of a workload, each time they have a new one to roll out.
_NUMBERED_BY: Final[Mapping[WorkloadKind, str]] = {
    WorkloadKind.DEPLOYMENT: "deployment.kubernetes.io/revision",
    WorkloadKind.DAEMON_SET: "deprecated.daemonset.template.generation",
}


@dataclass(frozen=True)
class Sight:
    """A workload as it was read at a moment."""

    template: str
    #: What its controller calls the template; empty where it has not said so.
    revision: str
    #: Whether its controller has taken in what the workload says by now.
    current: bool
    #: Whether every replica, and there is one at least, is of this template and available.
    complete: bool
    at: datetime
    #: The run whose fault is in the template; empty without one.
    faulted: str = ""


@dataclass(frozen=True)
class Blind:
    """Why a workload is not seen: one word, and a sentence that is the same as long as its cause is."""

    reason: str
    message: str


Look = Sight | Blind


def sight_of(kind: WorkloadKind, body: Mapping[str, Any], at: datetime) -> Sight:
    """A workload as the API server gives it, read at ``at``.

    The hash of its template is ours: that of the controller is not told for every kind. A newer API server may fill in
    fields that nobody has set, which changes the hash; what the controller calls the template stays the same then.
    """
    meta, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    template = spec["template"]
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    number = _number(kind, meta.get("annotations") or {}, status)
    current = status.get("observedGeneration", 0) >= meta.get("generation", 0)
    return Sight(
        template=digest(json.dumps(_said(template), sort_keys=True)),
        # One that was deleted and created anew is counted from the beginning.
        revision=digest(meta["uid"], number) if number else "",
        current=current,
        complete=current and not spec.get("paused") and _complete(kind, spec, status),
        at=at,
        faulted=str(annotations.get(LABEL_RUN, "")),
    )


def _number(kind: WorkloadKind, annotations: Mapping[str, str], status: Mapping[str, Any]) -> str:
    if kind is WorkloadKind.STATEFUL_SET:
        return str(status.get("updateRevision", ""))
    return annotations.get(_NUMBERED_BY[kind], "")


def _complete(kind: WorkloadKind, spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    if kind is WorkloadKind.DAEMON_SET:
        wanted = status.get("desiredNumberScheduled", 0)
        counts = [status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)]
    else:
        wanted = spec.get("replicas", 1)
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return bool(wanted >= 1) and all(count == wanted for count in counts)


def _said(value: Any) -> Any:
    """A value without what is null in it, which API servers leave out or not."""
    if isinstance(value, dict):
        return {key: _said(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_said(each) for each in value]
    return value
