"""What a lab is asked to be (LabSpec) and what it is (LabState, kept in state.json)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

NAME_PATTERN = r"^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$"
HUB = "hub"
CLUSTERS = (HUB, "finance", "healthcare", "iot")


class Provider(StrEnum):
    """Where the clusters come from."""

    AUTO = "auto"
    EXISTING = "existing"
    KIND = "kind"
    NATIVE = "native"


class LabSpec(BaseModel):
    """A lab as asked for: which clusters, from where, with or without nodes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="demo", pattern=NAME_PATTERN)
    provider: Provider = Provider.AUTO
    clusters: tuple[str, ...] = CLUSTERS
    nodes: bool = True
    images: bool = True
    contexts: dict[str, str] = Field(default_factory=dict)

    @field_validator("clusters")
    @classmethod
    def _distinct_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("name at least one cluster")
        if len(set(names)) != len(names):
            raise ValueError("name each cluster once")
        for name in names:
            if not name.replace("-", "").isalnum() or name != name.lower() or len(name) > 30:
                raise ValueError(f"{name!r} is not a cluster name: use lower-case letters, digits and -")
        return names


class ClusterState(BaseModel):
    """One cluster of a lab, as others need to know it."""

    name: str
    context: str
    server: str = Field(description="API server address that the host and pods of other clusters reach")
    ca_file: str
    node: str | None = None
    ready: bool = False
    network_policy_enforced: bool | None = None
    detail: str = ""


class Phase(BaseModel):
    """How long one part of `lab up` took."""

    name: str
    seconds: float


class LabState(BaseModel):
    """A lab as it is; what state.json holds and `lab status -o json` prints."""

    name: str
    provider: Provider
    kubeconfig: str
    nodes: bool = True
    clusters: list[ClusterState] = Field(default_factory=list)
    started_at: datetime | None = None
    phases: list[Phase] = Field(default_factory=list)

    def cluster(self, name: str) -> ClusterState | None:
        """The cluster of that name, or None."""
        return next((cluster for cluster in self.clusters if cluster.name == name), None)

    def save(self, path: Path) -> None:
        """Write it so that a reader sees the old or the new text, never a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp")
        fresh.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)
