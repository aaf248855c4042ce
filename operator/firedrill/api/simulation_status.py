"""What is seen of a simulation that stands: services, rates, objectives and what is left of their budgets."""

from pydantic import Field

from firedrill.api.base import LenientModel, Time
from firedrill.api.run import RunStatus


class ServicesState(LenientModel):
    """Services and how many of them are ready."""

    ready: int = Field(default=0, description="Services all of whose pods are ready.")
    wanted: int = Field(default=0, description="Services of the graph.")
    waiting: list[str] = Field(default_factory=list, max_length=10, description="Some that are not ready.")


class SloState(LenientModel):
    """How an objective stands."""

    name: str = Field(max_length=40, description="Name of the objective.")
    objective: float = Field(description="Share that must be good.")
    value: float | None = Field(default=None, description="Share that is good; absent without data.")
    budget_left: float | None = Field(default=None, description="Share of the error budget left; negative: overspent.")
    met: bool | None = Field(default=None, description="Whether value reaches objective; absent without data.")


class SimulationState(LenientModel):
    """A simulation as it was last seen. It is written anew only when something of note has changed."""

    uid: str = Field(default="", max_length=64, description="UID of the Simulation.")
    namespace: str = Field(default="", max_length=63, description="Where it stands.")
    seen_at: Time | None = Field(default=None, description="When.")
    services: ServicesState = Field(default_factory=ServicesState, description="Services.")
    rate: float | None = Field(default=None, description="Requests per second that come in; absent without data.")
    error_ratio: float | None = Field(default=None, description="Share of them that fail.")
    slos: list[SloState] = Field(default_factory=list, max_length=32, description="Objectives.")
    problem: str = Field(default="", max_length=256, description="Why the above is not whole.")


class Standing(LenientModel):
    """A target in which something was built that is not seen removed."""

    name: str = Field(max_length=253, description="Name of the TargetCluster.")
    cluster_uid: str = Field(default="", max_length=64, description="The cluster, by the UID of its kube-system.")
    removing: bool = Field(default=False, description="Whether the last run removes it.")
    out_of_sight: bool = Field(default=False, description="The target can not be seen: state is as it was last seen.")
    state: SimulationState | None = Field(default=None, description="What is seen of it.")


class SimulationStatus(RunStatus):
    """Status of a Simulation."""

    standing: list[Standing] = Field(default_factory=list, max_length=64, description="Targets that it stands in.")
    services: str = Field(default="", max_length=32, description="Services ready, of all.")
    rate: str = Field(default="", max_length=32, description="Requests per second that come in.")
    slos: str = Field(default="", max_length=32, description="Objectives met, of all.")
    budget_left: str = Field(default="", max_length=16, description="Least error budget left of any objective.")
