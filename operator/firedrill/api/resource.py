"""A resource as the API server gives it, parsed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from firedrill.api.base import Model
from firedrill.api.errors import InvalidInput, describe
from firedrill.api.kinds import RunKind
from firedrill.api.run import RunSpec, RunStatus
from firedrill.api.targetcluster import TargetClusterSpec

S = TypeVar("S", bound=Model)


@dataclass(frozen=True)
class Meta:
    """The metadata that decisions depend on."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: datetime
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    finalizers: tuple[str, ...]


def parse_meta(body: Mapping[str, Any]) -> Meta:
    """Metadata of any object as the API server gives it."""
    meta = body["metadata"]
    return Meta(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        resource_version=meta["resourceVersion"],
        created=datetime.fromisoformat(meta["creationTimestamp"].replace("Z", "+00:00")),
        deleting="deletionTimestamp" in meta,
        labels=meta.get("labels") or {},
        annotations=meta.get("annotations") or {},
        finalizers=tuple(meta.get("finalizers") or ()),
    )


def parse_spec(model: type[S], raw: Mapping[str, Any]) -> S:
    """Parse a spec; raises InvalidInput that names every wrong field."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput(describe(error)) from error


@dataclass(frozen=True)
class RunResource:
    """A resource whose kind is run as Jobs.

    ``spec`` is None where it does not parse; ``invalid`` then says why, and nothing new is started.
    """

    kind: RunKind
    meta: Meta
    raw_spec: Mapping[str, Any]
    spec: RunSpec | None
    invalid: str
    status: RunStatus

    @property
    def key(self) -> str:
        """namespace/name, as written on objects in targets."""
        return f"{self.meta.namespace}/{self.meta.name}"


def parse_run_resource(kind: RunKind, body: Mapping[str, Any]) -> RunResource:
    """Parse an object of a run kind. Never raises for a wrong spec: the resource must get to hear of it."""
    raw = body.get("spec") or {}
    spec: RunSpec | None = None
    invalid = ""
    try:
        spec = parse_spec(kind.spec, raw)
    except InvalidInput as error:
        invalid = str(error)
    return RunResource(
        kind=kind,
        meta=parse_meta(body),
        raw_spec=raw,
        spec=spec,
        invalid=invalid,
        status=kind.status.model_validate(body.get("status") or {}),
    )


@dataclass(frozen=True)
class Target:
    """A TargetCluster, parsed."""

    name: str
    uid: str
    labels: Mapping[str, str]
    spec: TargetClusterSpec
    #: False where its spec can not be read, and ``spec`` says nothing.
    valid: bool = True
