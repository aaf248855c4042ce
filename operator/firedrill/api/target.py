"""Which pods an experiment is aimed at, and how many of them."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from firedrill.api.base import Model
from firedrill.api.run import LabelKey, Labels, LabelValue, Name


class TargetMode(StrEnum):
    """How many of the matching pods are hit."""

    ONE = "One"
    ALL = "All"
    FIXED = "Fixed"
    PERCENT = "Percent"
    RANDOM = "Random"


#: Modes that say a number.
_WITH_VALUE = (TargetMode.FIXED, TargetMode.PERCENT, TargetMode.RANDOM)
#: Modes whose number is a share.
_SHARES = (TargetMode.PERCENT, TargetMode.RANDOM)


class Operator(StrEnum):
    """What a label must be to the values of an expression."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelExpression(Model):
    """A condition on one label, as in any selector of Kubernetes."""

    key: LabelKey = Field(min_length=1, description="Key of the label.")
    operator: Operator = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: list[LabelValue] = Field(
        default_factory=list, max_length=32, description="Values for In and NotIn; none for the others."
    )

    @model_validator(mode="after")
    def _values_fit_the_operator(self) -> "LabelExpression":
        needs = self.operator in (Operator.IN, Operator.NOT_IN)
        if needs != bool(self.values):
            raise ValueError("values must be given for operator In and NotIn, and only for these")
        return self


class OwnerRef(Model):
    """A workload, by its kind and name."""

    kind: Annotated[str, Field(max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")] = Field(
        description="Kind of the controller, such as StatefulSet; Deployment for what its ReplicaSets own."
    )
    name: Name = Field(description="Its name.")


class Phase(StrEnum):
    """Where the pods are that an experiment is aimed at."""

    RUNNING = "Running"
    PENDING = "Pending"


#: Of these at least one is given, and a pod must meet all that are.
SELECTORS = ("match_labels", "match_expressions", "names", "owner", "nodes", "node_labels")


class PodTarget(Model):
    """Which pods are hit: those that meet every part that is given, and of them as many as the mode says."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2})

    namespace: Name = Field(description="Namespace in the target; it must opt in by label.")
    match_labels: Labels = Field(default_factory=dict, max_length=16, description="Labels of the pods, all of them.")
    match_expressions: list[LabelExpression] = Field(
        default_factory=list, max_length=16, description="Conditions on labels of the pods, all of them."
    )
    names: list[Name] = Field(default_factory=list, max_length=64, description="Names of pods.")
    owner: OwnerRef | None = Field(default=None, description="The workload that the pods belong to.")
    nodes: list[Name] = Field(default_factory=list, max_length=64, description="Nodes that the pods run on.")
    node_labels: Labels = Field(
        default_factory=dict,
        max_length=16,
        description="Labels of the nodes that the pods run on; a zone is topology.kubernetes.io/zone.",
    )
    phase: Phase = Field(default=Phase.RUNNING, description="Running or Pending: pods in this phase alone.")
    mode: TargetMode = Field(default=TargetMode.ONE, description="One, All, Fixed, Percent or Random.")
    value: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Count for Fixed, 1 to 100 for Percent; for Random the largest percentage, the seed says how many.",
    )
    follow: bool = Field(
        default=True,
        description="Bring a lasting fault of pods to those as well that come while it is on: with mode All to each, "
        "else in place of those that have gone.",
    )
    seed: int = Field(default=1, ge=0, description="Seed of the choice among the matching pods, and of Random.")
    ignore_disruption_budgets: bool = Field(
        default=False,
        description="Take down more pods than PodDisruptionBudgets allow; the policy must admit it in allowOptOuts.",
    )

    @model_validator(mode="after")
    def _selects_something(self) -> "PodTarget":
        if not any(getattr(self, name) for name in SELECTORS):
            raise ValueError("give at least one of matchLabels, matchExpressions, names, owner, nodes, nodeLabels")
        return self

    @model_validator(mode="after")
    def _value_fits_mode(self) -> "PodTarget":
        if (self.mode in _WITH_VALUE) != (self.value is not None):
            raise ValueError("value must be set for mode Fixed, Percent and Random, and only for these")
        if self.mode in _SHARES and (self.value or 0) > 100:
            raise ValueError("value must be at most 100 for mode Percent and Random")
        return self

    @property
    def by_labels_alone(self) -> bool:
        """Whether a selector of Kubernetes can say the same."""
        return not (self.names or self.owner or self.nodes or self.node_labels)
