"""The part of spec and status that every kind shares: when, where and how a run happens."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from firedrill.api.base import Duration, LenientModel, Model, Time, parse_duration
from firedrill.api.rollout import OnRollout, RolloutSeen
from firedrill.api.verdict import Condition, Measurement, Verdict

Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
LabelKey = Annotated[str, Field(max_length=317)]
Labels = dict[LabelKey, LabelValue]
#: An amount as Kubernetes writes it, such as 100m, 64Mi, 0.5 or 1e3; never negative.
Quantity = Annotated[
    str, Field(max_length=32, pattern=r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$")
]


class ClusterSelector(Model):
    """Which TargetClusters a run goes to: by name, by labels, or both joined."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    names: list[Name] = Field(default_factory=list, max_length=64, description="Names of TargetClusters.")
    match_labels: Labels = Field(
        default_factory=dict,
        max_length=16,
        description="Labels that a TargetCluster must carry, all of them.",
    )

    @model_validator(mode="after")
    def _selects_something(self) -> "ClusterSelector":
        if not self.names and not self.match_labels:
            raise ValueError("name clusters in names, or select them by matchLabels")
        return self


class ConcurrencyPolicy(StrEnum):
    """What happens when a run is due while one goes on."""

    FORBID = "Forbid"
    REPLACE = "Replace"


class OnCreate(StrEnum):
    """Whether a new resource runs at once, or waits for its run-at annotation."""

    RUN = "Run"
    HOLD = "Hold"


class FailureThreshold(Model):
    """How many failures make a scheduled check fail."""

    failures: int = Field(ge=1, le=50, description="Runs that must have failed.")
    of: int = Field(ge=1, le=50, description="Among this many last runs, the current one included.")

    @model_validator(mode="after")
    def _is_reachable(self) -> "FailureThreshold":
        if self.failures > self.of:
            raise ValueError(f"failures ({self.failures}) can not be more than of ({self.of})")
        return self


class Toleration(Model):
    """A toleration of runner pods, as in a pod spec."""

    key: str | None = Field(default=None, max_length=317, description="Taint key; absent matches every key.")
    operator: str | None = Field(default=None, pattern="^(Exists|Equal)$", description="Exists or Equal.")
    value: str | None = Field(default=None, max_length=63, description="Taint value.")
    effect: str | None = Field(
        default=None, pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$", description="Taint effect."
    )


class Resources(Model):
    """Requests and limits of the runner container."""

    requests: dict[str, Quantity] = Field(default_factory=dict, max_length=8, description="Such as cpu: 100m.")
    limits: dict[str, Quantity] = Field(default_factory=dict, max_length=8, description="Such as memory: 512Mi.")


class JobTemplate(Model):
    """How the pods of a run are placed and sized."""

    resources: Resources = Field(default_factory=Resources, description="Requests and limits of the runner.")
    node_selector: Labels = Field(default_factory=dict, max_length=16, description="Labels a node must carry.")
    tolerations: list[Toleration] = Field(default_factory=list, max_length=16, description="Tolerated taints.")
    priority_class_name: Name | None = Field(default=None, description="PriorityClass of the runner pod.")
    labels: Labels = Field(default_factory=dict, max_length=32, description="More labels of the runner pod.")
    annotations: dict[str, Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=dict, max_length=32, description="More annotations of the runner pod."
    )


#: Fields that change how often or how long results are kept, but not what a run does.
NOT_RUN_RELEVANT = frozenset(
    {
        "schedule",
        "timeZone",
        "onRollout",
        "suspend",
        "historyLimit",
        "concurrencyPolicy",
        "startingDeadlineSeconds",
        "onCreate",
        "failureThreshold",
    }
)


class RunSpec(Model):
    """Fields that the spec of every kind has."""

    clusters: ClusterSelector = Field(description="The TargetClusters to run in; one run a cluster.")
    schedule: str | None = Field(
        default=None,
        min_length=9,
        max_length=128,
        description="Cron expression of five fields. With it, no run is started by creation or a change of the spec.",
    )
    time_zone: str | None = Field(
        default=None,
        max_length=64,
        description="IANA time zone of the schedule, such as Europe/Zurich; else UTC.",
    )
    on_rollout: OnRollout | None = Field(
        default=None,
        description="Runs where this workload has been rolled out; not by creation or a change of the spec.",
    )
    suspend: bool = Field(default=False, description="Starts no new run; a run that goes on is not ended.")
    concurrency_policy: ConcurrencyPolicy = Field(
        default=ConcurrencyPolicy.FORBID,
        description="Forbid skips a run that is due while one goes on; Replace ends the one that goes on.",
    )
    starting_deadline_seconds: int | None = Field(
        default=None, ge=10, le=86400, description="A scheduled run later than this is skipped."
    )
    timeout: Duration = Field(
        default=parse_duration("10m"),
        description="A run that is longer ends as Inconclusive, reason Timeout.",
    )
    history_limit: int = Field(default=10, ge=0, le=50, description="Ended runs that status keeps.")
    on_create: OnCreate = Field(
        default=OnCreate.RUN, description="Hold waits for the run-at annotation instead of running at once."
    )
    failure_threshold: FailureThreshold | None = Field(
        default=None, description="Passed turns False only when this many of the last runs failed."
    )
    job_template: JobTemplate = Field(default_factory=JobTemplate, description="Placement and size of runner pods.")

    @property
    def false_alarm_rate(self) -> float | None:
        """Chance that a run fails where nothing is wrong; None where the kind does not bound it."""
        return None

    @property
    def crew_size(self) -> int:
        """Pods that a run is shared among."""
        return 1

    @field_validator("timeout")
    @classmethod
    def _timeout_is_sane(cls, value: Any) -> Any:
        if not 5 <= value.total_seconds() <= 86400:
            raise ValueError("timeout must be between 5s and 24h")
        return value


class RunRef(LenientModel):
    """One run and what started it."""

    id: str = Field(max_length=16, description="Hash of what triggered the run.")
    trigger: str = Field(max_length=128, description="Spec, Schedule, Rollout or RunAt, with its value.")
    requested_by: str = Field(default="", max_length=256, description="Who asked for it, as admission saw it.")
    generation: int | None = Field(default=None, description="Generation of the spec that it ran.")
    started_at: Time = Field(description="When the run started.")
    deadline: Time | None = Field(default=None, description="When it has to be over; a later change does not move it.")
    finished_at: Time | None = Field(default=None, description="When it ended; absent while it goes on.")
    ended_by: str = Field(default="", max_length=64, description="Word of an early end, such as Superseded.")


class ClusterResult(LenientModel):
    """What a run has found in one target."""

    name: str = Field(max_length=253, description="Name of the TargetCluster.")
    verdict: Verdict | None = Field(default=None, description="Absent while the run goes on.")
    reason: str = Field(default="", max_length=64, description="One CamelCase word for the verdict.")
    message: str = Field(default="", max_length=1024, description="What was measured, against what limit.")
    measurements: list[Measurement] = Field(
        default_factory=list, max_length=32, description="The worst measurements first."
    )
    omitted: int = Field(default=0, description="Measurements left out here; the report has them.")
    job: str = Field(default="", max_length=253, description="namespace/name of the Job in the target.")
    report: str = Field(default="", max_length=512, description="Where the full report is.")
    findings: list[Condition] = Field(
        default_factory=list, max_length=16, description="Conditions of this target, such as Injected."
    )
    proposal: str = Field(default="", max_length=64, description="Hash of a proposal that waits for approval.")
    begun: bool = Field(default=False, description="Whether the run was seen to have begun to change this target.")
    settled: bool = Field(
        default=True, description="False while a fault or a change in this target is not seen undone."
    )
    cluster_uid: str = Field(
        default="", max_length=64, description="Cluster that the run was begun in, by the UID of its kube-system."
    )


class Figure(LenientModel):
    """A figure that was held against a limit in one target."""

    cluster: str = Field(max_length=253, description="Name of the TargetCluster.")
    name: str = Field(max_length=253, description="What was measured.")
    value: float = Field(description="Its value.")
    better: str = Field(max_length=8, description="Higher or Lower, as its limit says.")
    limit: str = Field(default="", max_length=128, description="The limit it was held against.")
    p_value: float | None = Field(default=None, description="Where its limit speaks of one, after correction.")
    passed: bool | None = Field(default=None, description="Whether the limit held; absent when undecided.")


#: Names of measurements that compare a figure with the last runs begin with this; they are no figures themselves.
REGRESSION_PREFIX = "regression_"


class Regression(Model):
    """Comparison with the last runs, in each target apart."""

    runs: int = Field(default=10, ge=5, le=20, description="Last runs that are looked at; see historyLimit.")
    min_runs: int = Field(default=5, ge=3, le=20, description="With fewer of them nothing is judged.")
    min_change: float = Field(
        default=0.1, ge=0, le=100, description="Share of the mean of the last runs by which a figure must be worse."
    )


class HistoryEntry(LenientModel):
    """An ended run."""

    id: str = Field(max_length=16, description="Run id.")
    verdict: Verdict = Field(description="Its verdict.")
    score: int | None = Field(default=None, description="Its score.")
    started_at: Time = Field(description="When it started.")
    finished_at: Time = Field(description="When it ended.")
    figures: list[Figure] = Field(
        default_factory=list, max_length=8, description="What it measured against limits, for later runs to compare."
    )


class RunStatus(LenientModel):
    """Fields that the status of every kind has."""

    observed_generation: int | None = Field(default=None, description="Generation that status speaks of.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Complete, Passed and those of the kind.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    verdict: Verdict | None = Field(default=None, description="Verdict of the last ended run.")
    score: int | None = Field(default=None, ge=0, le=100, description="Weighted share of measurements passed.")
    message: str = Field(default="", max_length=1024, description="One sentence: what was measured, what limit.")
    last_run: RunRef | None = Field(default=None, description="The current run, or the last one.")
    next_run: Time | None = Field(default=None, description="When the schedule starts the next run.")
    handled_run_at: str | None = Field(default=None, max_length=253, description="run-at value handled last.")
    handled_spec: str | None = Field(default=None, max_length=64, description="Hash of the spec handled last.")
    rollouts: list[RolloutSeen] = Field(
        default_factory=list, max_length=64, description="What was seen of the workload of onRollout in each target."
    )
    clusters: list[ClusterResult] = Field(
        default_factory=list, max_length=64, description="Verdict and evidence of each target."
    )
    cluster_summary: str = Field(default="", max_length=64, description="Targets passed, of all.")
    history: list[HistoryEntry] = Field(default_factory=list, max_length=50, description="Ended runs, newest first.")
    pass_rate: str = Field(default="", max_length=16, description="Share of passed runs in history.")
    flip_rate: str = Field(default="", max_length=16, description="Share of runs whose verdict changed.")
    expected_false_alarms: str = Field(
        default="", max_length=32, description="False alarms to expect at most at this schedule and failureThreshold."
    )
    report: str = Field(default="", max_length=512, description="Where the full report is.")
