"""The kinds: name, plural, models and what the operator must know of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from firedrill.api.autofix import AutoFixSpec
from firedrill.api.base import Model
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.datapipelinetest import DataPipelineTestSpec
from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.modelvalidation import ModelValidationSpec
from firedrill.api.performancebenchmark import PerformanceBenchmarkSpec
from firedrill.api.run import RunSpec, RunStatus
from firedrill.api.simulation import SimulationSpec
from firedrill.api.simulation_status import SimulationStatus
from firedrill.api.targetcluster import TargetClusterSpec, TargetClusterStatus


@dataclass(frozen=True)
class Column:
    """A printer column of ``kubectl get``."""

    name: str
    json_path: str
    type: str = "string"
    wide: bool = False
    description: str = ""


@dataclass(frozen=True)
class Rule:
    """A CEL rule over the spec, with the sentence that a person reads when it does not hold."""

    rule: str
    message: str
    field_path: str = ""


@dataclass(frozen=True)
class Kind:
    """A custom resource."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    description: str
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    namespaced: bool = True


@dataclass(frozen=True)
class RunKind(Kind):
    """A kind whose resources are run as Jobs."""

    spec: type[RunSpec]
    status: type[RunStatus]
    #: Changes its target: a record, a guardian and a finalizer go with each run.
    mutates: bool = False
    #: What its runs build stands on after them, until the resource is deleted: a finalizer goes with it.
    stands: bool = False
    #: Conditions beside Complete and Passed.
    conditions: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> bool:
        """Whether its runs leave a target other than they found it, be it for a while: a halt holds them up."""
        return self.mutates or self.stands


_RUN_COLUMNS = (
    Column("Verdict", ".status.verdict", description="Passed, Failed, Inconclusive or Error"),
    Column("Score", ".status.score", "integer", description="Weighted share of measurements passed"),
    Column("Clusters", ".status.clusterSummary", description="Targets passed, of all"),
    Column("Last-Run", ".status.lastRun.startedAt", "date"),
    Column("Next-Run", ".status.nextRun", "string"),
    Column("Age", ".metadata.creationTimestamp", "date"),
    Column("Message", ".status.message", wide=True),
    Column("Pass-Rate", ".status.passRate", wide=True),
)
_RUN_RULES = (
    Rule("!has(self.timeZone) || has(self.schedule)", "timeZone needs a schedule", ".timeZone"),
    Rule(
        "!has(self.startingDeadlineSeconds) || has(self.schedule)",
        "startingDeadlineSeconds needs a schedule",
        ".startingDeadlineSeconds",
    ),
    Rule(
        "!has(self.failureThreshold) || self.failureThreshold.failures <= self.failureThreshold.of",
        "failureThreshold.failures can not be more than failureThreshold.of",
        ".failureThreshold",
    ),
)
_MUTATING_CONDITIONS = ("Injected", "Recovered", "RecoveryVerified")
_FIX_CONDITIONS = ("Proposed", "SandboxVerified", "Approved", "Applied", "Verified", "RolledBack")


def _of_every_target(rule: str, message: str) -> tuple[Rule, Rule]:
    """A rule of the one target of an experiment, and of the target of each of its steps."""
    return (
        Rule(f"!has(self.target) || ({rule.format(target='self.target')})", message, ".target"),
        Rule(f"!has(self.steps) || self.steps.all(step, {rule.format(target='step.target')})", message, ".steps"),
    )


TARGET_CLUSTER: Final = Kind(
    name="TargetCluster",
    plural="targetclusters",
    short_names=("tc",),
    description="A cluster that Firedrill runs tests in, and what is allowed there.",
    spec=TargetClusterSpec,
    status=TargetClusterStatus,
    namespaced=False,
    rules=(
        Rule(
            "(has(self.runnerNamespace) ? self.runnerNamespace : 'firedrill')"
            " == (has(oldSelf.runnerNamespace) ? oldSelf.runnerNamespace : 'firedrill')",
            "runnerNamespace can not be changed: runs would be looked for elsewhere; create another TargetCluster",
            ".runnerNamespace",
        ),
    ),
    columns=(
        Column("Reachable", ".status.conditions[?(@.type=='Reachable')].status"),
        Column("Version", ".status.version"),
        Column("Nodes", ".status.nodes", "integer"),
        Column("Age", ".metadata.creationTimestamp", "date"),
        Column("Server", ".status.server", wide=True),
        Column("Message", ".status.conditions[?(@.type=='Reachable')].message", wide=True),
    ),
)
_SKETCHES: Final = (
    "(has(self.scale) && ((has(self.scale.workers) && self.scale.workers > 1)"
    " || (has(self.scale.mode) && self.scale.mode == 'Sketch')))"
)
_NEEDS_ROWS: Final = (
    "(has(self.target) || has(self.segments) || (has(self.rows) && has(self.rows.dependent) && self.rows.dependent)"
    " || (has(self.reference.profile) && has(self.reference.profile.versionColumn)))"
)
DRIFT_CHECK: Final = RunKind(
    name="DriftCheck",
    plural="driftchecks",
    short_names=("dc",),
    description="Compares current data with reference data and says whether it has drifted.",
    spec=DriftCheckSpec,
    status=RunStatus,
    columns=_RUN_COLUMNS,
    rules=(
        *_RUN_RULES,
        Rule(
            "!has(self.scale) || !has(self.scale.workers) || self.scale.workers == 1"
            " || !has(self.scale.mode) || self.scale.mode != 'Exact'",
            "scale.workers must be 1 with scale.mode Exact: what several workers have seen is merged as sketches",
            ".scale",
        ),
        Rule(
            f"!{_SKETCHES} || !{_NEEDS_ROWS}",
            "target, segments, rows.dependent and reference.profile.versionColumn can not be set with scale.mode "
            "Sketch or several scale.workers: sketches keep no rows",
            ".scale",
        ),
    ),
)
MODEL_VALIDATION: Final = RunKind(
    name="ModelValidation",
    plural="modelvalidations",
    short_names=("mv",),
    description="Sends labelled data to a served model and holds answers and latency against limits.",
    spec=ModelValidationSpec,
    status=RunStatus,
    columns=_RUN_COLUMNS,
    rules=_RUN_RULES,
)
PERFORMANCE_BENCHMARK: Final = RunKind(
    name="PerformanceBenchmark",
    plural="performancebenchmarks",
    short_names=("pb",),
    description="Puts load on a service or a model and holds latency, errors and throughput against limits.",
    spec=PerformanceBenchmarkSpec,
    status=RunStatus,
    columns=_RUN_COLUMNS,
    rules=_RUN_RULES,
)
DATA_PIPELINE_TEST: Final = RunKind(
    name="DataPipelineTest",
    plural="datapipelinetests",
    short_names=("dpt",),
    description="Holds a data set, or what a pipeline makes, against what is asked of it.",
    spec=DataPipelineTestSpec,
    status=RunStatus,
    columns=_RUN_COLUMNS,
    rules=_RUN_RULES,
)
CHAOS_EXPERIMENT: Final = RunKind(
    name="ChaosExperiment",
    plural="chaosexperiments",
    short_names=("cx",),
    description="Measures a steady state, injects a fault, undoes it, proves it gone and times the recovery.",
    spec=ChaosExperimentSpec,
    status=RunStatus,
    columns=_RUN_COLUMNS,
    mutates=True,
    conditions=_MUTATING_CONDITIONS,
    rules=(
        *_RUN_RULES,
        Rule(
            "has(self.steps) != (has(self.target) && has(self.fault))",
            "set target and fault, or steps",
            ".target",
        ),
        Rule(
            "!has(self.steps) || !(has(self.target) || has(self.fault) || has(self.duration) || has(self.ramp))",
            "beside steps, target, fault, duration and ramp must not be set: each step has its own",
            ".steps",
        ),
        *_of_every_target(
            "(has({target}.mode) && {target}.mode in ['Fixed', 'Percent', 'Random']) == has({target}.value)",
            "target.value must be set for mode Fixed, Percent and Random, and only for these",
        ),
        *_of_every_target(
            "!has({target}.mode) || !({target}.mode in ['Percent', 'Random']) || {target}.value <= 100",
            "target.value must be at most 100 for mode Percent and Random",
        ),
        *_of_every_target(
            "has({target}.matchLabels) || has({target}.matchExpressions) || has({target}.names)"
            " || has({target}.owner) || has({target}.nodes) || has({target}.nodeLabels)",
            "give at least one of matchLabels, matchExpressions, names, owner, nodes, nodeLabels",
        ),
        Rule(
            "!has(self.safety) || !has(self.safety.errorBudget)"
            " || has(self.safety.errorBudget.prometheus) != has(self.safety.errorBudget.simulation)",
            "set exactly one of prometheus, simulation",
            ".safety",
        ),
    ),
)
AUTO_FIX: Final = RunKind(
    name="AutoFix",
    plural="autofixes",
    short_names=("af",),
    description="Proposes a repair, proves it in a sandbox, applies it after approval, verifies or rolls back.",
    spec=AutoFixSpec,
    status=RunStatus,
    columns=_RUN_COLUMNS,
    rules=_RUN_RULES,
    mutates=True,
    conditions=_FIX_CONDITIONS,
)
SIMULATION: Final = RunKind(
    name="Simulation",
    plural="simulations",
    short_names=("sim",),
    description="Builds a simulated industry in a namespace of its own: services, brokers, databases, load, SLOs.",
    spec=SimulationSpec,
    status=SimulationStatus,
    columns=(
        *_RUN_COLUMNS[:3],
        Column("Services", ".status.services", description="Services ready, of all"),
        Column("Rate", ".status.rate", description="Requests per second that come in"),
        Column("SLOs", ".status.slos", description="Objectives met, of all"),
        Column("Budget-Left", ".status.budgetLeft", description="Least error budget left of any objective"),
        *_RUN_COLUMNS[3:],
    ),
    rules=(
        *_RUN_RULES,
        Rule(
            "has(self.__namespace__) == has(oldSelf.__namespace__)"
            " && (!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)",
            "namespace can not be changed: delete the Simulation and create another",
        ),
    ),
    stands=True,
)

RUN_KINDS: Final[Mapping[str, RunKind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            MODEL_VALIDATION,
            PERFORMANCE_BENCHMARK,
            DRIFT_CHECK,
            DATA_PIPELINE_TEST,
            CHAOS_EXPERIMENT,
            AUTO_FIX,
            SIMULATION,
        )
    }
)
ALL_KINDS: Final[tuple[Kind, ...]] = (TARGET_CLUSTER, *RUN_KINDS.values())
