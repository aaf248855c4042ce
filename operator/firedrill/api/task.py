"""The contract between operator and runner: a task goes in, a result comes out."""

from typing import Any

from pydantic import Field

from firedrill.api.base import LenientModel, Time
from firedrill.api.ondrift import Earlier
from firedrill.api.run import Figure
from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.verdict import Finding, Measurement, Verdict


class Task(LenientModel):
    """All that a runner needs to carry out one run in one target. Mounted as a file, never as arguments."""

    kind: str
    namespace: str = Field(description="Namespace of the resource on the hub.")
    name: str
    uid: str
    run_id: str
    cluster: str
    runner_namespace: str
    job: str = Field(description="Name of the runner's Job; the names of its objects derive from it.")
    job_uid: str
    started_at: Time
    deadline: Time = Field(description="The run must have ended by then; what it changed is undone by then.")
    image: str = Field(description="Image of runner, guardian and of containers injected into pods.")
    images: dict[str, str] = Field(default_factory=dict, description="Images of simulations: simulator, components.")
    policy: TargetPolicy
    max_affected: int | None = Field(default=None, description="How many pods may be hit here; absent: no bound.")
    requested_by: str = Field(default="", description="Who asked for the run, as admission saw it; empty: not known.")
    remove: bool = Field(default=False, description="Take away what earlier runs of the resource have built.")
    checks: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Specs of the resources that probes name, by kind and name, as the run began."
    )
    past: list[list[Figure]] = Field(default_factory=list, description="Figures of the last runs here, newest first.")
    earlier: Earlier = Field(default_factory=Earlier, description="What earlier runs mean for what this may start.")
    spec: dict[str, Any] = Field(description="The spec of the resource, to be parsed by the model of its kind.")


class Result(LenientModel):
    """What a runner leaves behind: the verdict with its evidence."""

    uid: str
    run_id: str
    cluster: str
    verdict: Verdict
    reason: str
    message: str
    measurements: list[Measurement] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    started_at: Time
    finished_at: Time
    report: dict[str, Any] = Field(default_factory=dict, description="The full evidence, by the kind's own shape.")
    settled: bool = Field(default=True, description="Whether the runner saw that nothing is left to undo.")
    shortened: bool = Field(default=False, description="The report did not fit and parts of it were left out.")
