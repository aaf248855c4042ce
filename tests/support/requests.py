"""What a request to an API server is about, by its method, path and body: the names that fault tests speak in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from firedrill.api.kinds import RUN_KINDS
from firedrill.api.meta import ANNOTATION_RESOURCE, FINALIZER, LABEL_ROLE

Object = dict[str, Any]

_RUN_PLURALS = {kind.plural for kind in RUN_KINDS.values()}
_MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
#: Reviews ask a question, in the form of a POST.
_QUESTIONS = {"selfsubjectaccessreviews", "subjectaccessreviews"}


@dataclass(frozen=True)
class Request:
    """A request as the proxy got it."""

    cluster: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def _parts(self) -> tuple[str, str, str, str]:
        """Namespace, resource, name, subresource."""
        parts = self.path.strip("/").split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        padded = [*rest, "", "", ""]
        return namespace, padded[0], padded[1], padded[2]

    @property
    def namespace(self) -> str:
        """Empty for what is cluster-wide."""
        return self._parts[0]

    @property
    def resource(self) -> str:
        """Plural, such as jobs."""
        return self._parts[1]

    @property
    def name(self) -> str:
        """Empty for a collection."""
        return self._parts[2]

    @property
    def subresource(self) -> str:
        """Such as status."""
        return self._parts[3]

    @property
    def watch(self) -> bool:
        """Whether it asks for a stream of events."""
        return self.query.get("watch") in ("true", "1")

    @property
    def mutating(self) -> bool:
        """Whether it changes something that is stored. Leases apart: see :attr:`lease`."""
        return self.method in _MUTATING and self.resource not in _QUESTIONS and not self.lease

    @property
    def lease(self) -> bool:
        """Whether it is about the lease of the operator."""
        return self.resource == "leases"

    @cached_property
    def content(self) -> Any:
        """The body, parsed."""
        try:
            return json.loads(self.body) if self.body else {}
        except json.JSONDecodeError:
            return {}

    @cached_property
    def label(self) -> str:
        """Verb, resource and what is done to it; the same for the same step of every life."""
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        detail = self._detail()
        return f"{self.method} {what}" + (f" ({detail})" if detail else "")

    def _detail(self) -> str:
        content = self.content
        if self.resource in _RUN_PLURALS:
            return _finalizer_change(content) if self.method == "PATCH" else _status_phase(content)
        if self.resource == "events":
            return str(content.get("reason", ""))
        if self.method == "POST":
            return str((content.get("metadata", {}).get("labels") or {}).get(LABEL_ROLE, ""))
        if self.resource == "configmaps":
            role = next((r for r in ("record", "result", "task") if self.name.endswith(f"-{r}")), "")
            keys = ", ".join(key.removesuffix(".json") for key in content.get("data") or {})
            return f"{role}: {keys}" if keys else role
        return "guardian" if self.name.endswith("-guardian") else ""

    @cached_property
    def owner(self) -> str:
        """namespace/name of the resource on the hub that it says it is about; empty where it does not say."""
        content = self.content
        if self.resource in _RUN_PLURALS:
            return f"{self.namespace}/{self.name}"
        if self.resource == "targetclusters":
            return self.name
        if self.resource == "events":
            regarding = content.get("regarding") or {}
            return f"{regarding.get('namespace')}/{regarding.get('name')}"
        if self.method == "POST":
            return str((content.get("metadata", {}).get("annotations") or {}).get(ANNOTATION_RESOURCE, ""))
        return ""

    @property
    def job(self) -> str:
        """The name of the runner's Job that an object in a target belongs to."""
        name = self.name or str((self.content.get("metadata") or {}).get("name", ""))
        for suffix in ("-guardian", "-task", "-record", "-result"):
            name = name.removesuffix(suffix)
        return name


def _finalizer_change(patch: Any) -> str:
    if not isinstance(patch, list):
        return "patch"
    wanted = [value for op in patch if op["op"] != "test" for value in op.get("value") or ()]
    return "add finalizer" if FINALIZER in wanted else "remove finalizer"


def _status_phase(body: Object) -> str:
    status = body.get("status") or {}
    run = status.get("lastRun")
    if not run:
        rollouts = status.get("rollouts") or []
        noticed = any(entry.get("completedAt") for entry in rollouts)
        return "rollout is noticed" if noticed else "workload is seen" if rollouts else "waiting"
    clusters = status.get("clusters") or []
    findings = {finding["type"] for entry in clusters for finding in entry.get("findings") or ()}
    if run.get("finishedAt"):
        return "verdict" if all(entry.get("settled", True) for entry in clusters) else "verdict, unsettled"
    if all(entry.get("job") for entry in clusters) and "Injected" not in findings:
        return "changes begin" if any(entry.get("begun") for entry in clusters) else "run begins"
    return "fault is on" if "RecoveryVerified" not in findings else "fault is undone"
