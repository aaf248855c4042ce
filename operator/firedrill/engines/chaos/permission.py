"""Whether an experiment may be run here: one rule after the other, the first that refuses is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firedrill.api import meta
from firedrill.api.base import format_duration
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.faults.about import Family, Hits
from firedrill.api.faults.network import FilterFault
from firedrill.api.faults.node import NodeDrain
from firedrill.api.faults.pods import PodEvict, PodKill
from firedrill.api.faults.stress import StressFault
from firedrill.api.faults.traffic import TrafficFault
from firedrill.api.probe_cluster import CommandProbe
from firedrill.api.task import Task
from firedrill.engines.chaos import selection
from firedrill.engines.chaos.views import REPLACING_KINDS, PodView

#: Never under fault: without these a cluster does not heal, and Firedrill does not undo.
SYSTEM_NAMESPACES: Final = ("kube-system", "kube-public", "kube-node-lease")
_OPTED_IN: Final = "enabled"


@dataclass(frozen=True)
class Refusal:
    """Why nothing is injected."""

    reason: str
    message: str


@dataclass(frozen=True)
class Request:
    """What is asked for, and what was found in the target before anything was written.

    ``namespace_labels`` is None where the namespace does not exist. ``matching`` are the running pods that the
    selector matches, ``selected`` those of them that would be hit.
    """

    task: Task
    spec: ChaosExperimentSpec
    namespace_labels: Mapping[str, str] | None
    matching: Sequence[PodView]
    selected: Sequence[PodView]


Rule = Callable[[Request], Refusal | None]


def check_policy(task: Task, spec: ChaosExperimentSpec) -> Refusal | None:
    """The rules that need nothing from the target."""
    return _first(_POLICY_RULES, Request(task, spec, None, (), ()))


def check(request: Request) -> Refusal | None:
    """All rules, in their documented order."""
    return _first((*_POLICY_RULES, *_TARGET_RULES), request)


def _first(rules: Sequence[Rule], request: Request) -> Refusal | None:
    for rule in rules:
        refusal = rule(request)
        if refusal:
            return refusal
    return None


def _not_permitted(message: str) -> Refusal:
    return Refusal("NotPermitted", message)


def _admits(patterns: Sequence[str], value: str) -> bool:
    return "*" in patterns or value in patterns


def _hub_namespace(request: Request) -> Refusal | None:
    task = request.task
    if _admits(task.policy.hub_namespaces, task.namespace):
        return None
    return _not_permitted(
        f"the policy of TargetCluster {task.cluster} does not admit resources of namespace {task.namespace} "
        "(policy.hubNamespaces)"
    )


def _kind(request: Request) -> Refusal | None:
    task = request.task
    if _admits(task.policy.kinds, task.kind):
        return None
    return _not_permitted(f"the policy of TargetCluster {task.cluster} does not admit {task.kind} (policy.kinds)")


def _fault_family(request: Request) -> Refusal | None:
    family, allowed = request.spec.fault.family, request.task.policy.fault_families
    if family in allowed:
        return None
    return _not_permitted(
        f"faults of the family {family} are not allowed in {request.task.cluster}; policy.faultFamilies allows "
        f"{', '.join(allowed) or 'none'}"
    )


def _system_namespace(request: Request) -> Refusal | None:
    namespace = request.spec.target.namespace
    if namespace not in (*SYSTEM_NAMESPACES, request.task.runner_namespace):
        return None
    return _not_permitted(f"no fault is ever injected into namespace {namespace}")


def _target_namespace(request: Request) -> Refusal | None:
    namespace = request.spec.target.namespace
    if _admits(request.task.policy.target_namespaces, namespace):
        return None
    return _not_permitted(
        f"faults may not touch namespace {namespace} of {request.task.cluster} (policy.targetNamespaces)"
    )


def _duration(request: Request) -> Refusal | None:
    duration, limit = request.spec.duration, request.task.policy.max_fault_duration
    if duration <= limit:
        return None
    return _not_permitted(
        f"duration {format_duration(duration)} is longer than policy.maxFaultDuration, {format_duration(limit)}"
    )


def _probe_command(request: Request) -> Refusal | None:
    allowed = request.task.policy.probe_commands
    # No wildcard: what is run is foreign code with the runner's rights.
    programs = [probe.command[0] for probe in request.spec.all_probes if isinstance(probe, CommandProbe)]
    refused = next((program for program in programs if program not in allowed), None)
    if refused is None:
        return None
    return _not_permitted(
        f"a probe may not start {refused} in {request.task.cluster}; policy.probeCommands allows "
        f"{', '.join(allowed) or 'none'}"
    )


def _opt_outs(request: Request) -> Refusal | None:
    allowed = request.task.policy.allow_opt_outs
    for wanted in request.spec.opt_outs:
        if wanted not in allowed:
            return _not_permitted(
                f"the policy of TargetCluster {request.task.cluster} does not admit the opt-out {wanted} "
                "(policy.allowOptOuts)"
            )
    return None


def _requester(request: Request) -> Refusal | None:
    if request.task.requested_by or not request.task.policy.require_requester:
        return None
    return _not_permitted(f"who asked for the run is not known, and {request.task.cluster} wants to (requireRequester)")


def _namespace_exists(request: Request) -> Refusal | None:
    if request.namespace_labels is not None:
        return None
    return Refusal("NoTargets", f"namespace {request.spec.target.namespace} does not exist in {request.task.cluster}")


def _opted_in(request: Request) -> Refusal | None:
    if (request.namespace_labels or {}).get(meta.LABEL_OPT_IN) == _OPTED_IN:
        return None
    return _not_permitted(
        f"namespace {request.spec.target.namespace} does not take part: label it "
        f"{meta.LABEL_OPT_IN}={_OPTED_IN} to allow experiments"
    )


def _targets(request: Request) -> Refusal | None:
    if request.selected:
        return None
    target = request.spec.target
    return Refusal(
        "NoTargets",
        f"no {target.phase.lower()} pod in namespace {target.namespace} {selection.describe(target)}",
    )


def _share(request: Request) -> Refusal | None:
    about = request.spec.fault.about
    if about.family is Family.CONTROL_PLANE and about.hits is Hits.NAMESPACE:
        # What is there goes on: only what is new is refused.
        return None
    percent = request.task.policy.max_affected_percent
    most = selection.allowed(len(request.matching), percent)
    if len(request.selected) <= most:
        return None
    return _not_permitted(
        f"{len(request.selected)} of {len(request.matching)} pods would be hit; policy.maxAffectedPercent, "
        f"{percent}, allows {most}"
    )


def _part_of_all(request: Request) -> Refusal | None:
    most = request.task.max_affected
    if most is None or len(request.selected) <= most:
        return None
    return _not_permitted(
        f"{len(request.selected)} pods would be hit; the part of {request.task.cluster} in acrossClusters.maxAffected "
        f"is {most}"
    )


def _replaced(request: Request) -> Refusal | None:
    if not isinstance(request.spec.fault.chosen, PodKill | PodEvict | NodeDrain):
        return None
    for pod in request.selected:
        if pod.owner is None:
            return _not_permitted(f"pod {pod.key} has no controller: nothing would bring it back")
        if pod.owner.kind not in REPLACING_KINDS:
            return _not_permitted(
                f"pod {pod.key} belongs to a {pod.owner.kind}; only pods of {', '.join(REPLACING_KINDS)} are "
                "killed, because these are seen to come back"
            )
    return None


def _own_network(request: Request) -> Refusal | None:
    if not isinstance(request.spec.fault.chosen, FilterFault | TrafficFault | StressFault):
        return None
    for pod in request.selected:
        if not pod.can_be_hit:
            return _not_permitted(f"pod {pod.key} does not run: it has no network to be filtered")
        if pod.host_network:
            return _not_permitted(f"pod {pod.key} uses the network of its node: all of it would be hit")
    return None


_POLICY_RULES: Final[tuple[Rule, ...]] = (
    _hub_namespace,
    _kind,
    _fault_family,
    _system_namespace,
    _target_namespace,
    _duration,
    _probe_command,
    _opt_outs,
    _requester,
)
_TARGET_RULES: Final[tuple[Rule, ...]] = (
    _namespace_exists,
    _opted_in,
    _targets,
    _share,
    _part_of_all,
    _replaced,
    _own_network,
)
