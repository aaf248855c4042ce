"""The gates before anything is changed. A gate is a chain of small policies; the first that refuses says why."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from firedrill.api.autofix import Approval
from firedrill.api.meta import LABEL_OPT_IN
from firedrill.api.record import Control
from firedrill.api.task import Task
from firedrill.engines.fix.finding import Diagnosis, look
from firedrill.engines.fix.views import DeploymentView, Rollout

OPT_IN_VALUE = "enabled"
SANDBOX_PREFIX = "firedrill-sandbox-"

I = TypeVar("I")  # noqa: E741 - the input of a policy; a longer name says no more


@dataclass(frozen=True)
class Refusal:
    """Why it does not go on: one word for programs, one sentence for people."""

    reason: str
    message: str


def first_refusal(policies: Iterable[Callable[[I], Refusal | None]], given: I) -> Refusal | None:
    """The first refusal of a chain; None where every policy lets it pass."""
    return next((refusal for policy in policies if (refusal := policy(given)) is not None), None)


# May the namespace be touched at all?


@dataclass(frozen=True)
class Permission:
    """A namespace, and what binds those who want to change something in it."""

    task: Task
    namespace: str
    labels: Mapping[str, str]


def _may_use_the_target(given: Permission) -> Refusal | None:
    task, policy = given.task, given.task.policy
    if not {"*", task.namespace} & set(policy.hub_namespaces):
        what = f"resources of namespace {task.namespace} (spec.policy.hubNamespaces)"
    elif not {"*", task.kind} & set(policy.kinds):
        what = f"kind {task.kind} (spec.policy.kinds)"
    else:
        return None
    return Refusal("NotPermitted", f"TargetCluster {task.cluster} does not allow {what}")


def _not_a_system_namespace(given: Permission) -> Refusal | None:
    name = given.namespace
    if name == given.task.runner_namespace:
        return Refusal("NotPermitted", f"{name} is Firedrill's own namespace, which is never repaired by itself")
    if name.startswith(("kube-", SANDBOX_PREFIX)):
        return Refusal("NotPermitted", f"{name} is a system namespace, which is never touched")
    return None


def _allowed_by_policy(given: Permission) -> Refusal | None:
    if {"*", given.namespace} & set(given.task.policy.target_namespaces):
        return None
    return Refusal(
        "NotPermitted",
        f"TargetCluster {given.task.cluster} does not allow namespace {given.namespace} to be touched "
        "(spec.policy.targetNamespaces)",
    )


def _opted_in(given: Permission) -> Refusal | None:
    if given.labels.get(LABEL_OPT_IN) == OPT_IN_VALUE:
        return None
    return Refusal(
        "NotPermitted",
        f"namespace {given.namespace} has not opted in: it lacks the label {LABEL_OPT_IN}={OPT_IN_VALUE}",
    )


PERMISSION: tuple[Callable[[Permission], Refusal | None], ...] = (
    _may_use_the_target,
    _not_a_system_namespace,
    _allowed_by_policy,
    _opted_in,
)


# Has the proposal been approved?


@dataclass(frozen=True)
class ApprovalCase:
    """A proposal that waits, and what has been said of it."""

    mode: Approval
    proposal: str
    control: Control
    expires: datetime
    now: datetime


@dataclass(frozen=True)
class Approved:
    """Somebody, or the spec itself, lets the proposal be applied."""

    reason: str
    by: str


def approval(case: ApprovalCase) -> Approved | Refusal | None:
    """Approved, refused, or None while it waits. The hash must be that of this very proposal."""
    if case.mode is Approval.AUTO:
        return Approved("Auto", "spec.approval: auto")
    if case.control.approved == case.proposal:
        return Approved("ApprovedByHash", case.control.approved_by or "unknown")
    if case.now >= case.expires:
        other = f"; {case.control.approved} was approved, which is another one" if case.control.approved else ""
        message = f"proposal {case.proposal} was not approved by {case.expires:%H:%M:%S} UTC{other}"
        return Refusal("ApprovalExpired", message)
    return None


# May it be applied now?


@dataclass(frozen=True)
class ApplyCase:
    """The Deployment as it was found, as it is now, and how much time is left."""

    found: DeploymentView
    current: Rollout
    now: datetime
    deadline: datetime
    needed: timedelta


def _same_deployment(case: ApplyCase) -> Refusal | None:
    if case.current.deployment.uid == case.found.uid:
        return None
    return Refusal("ChangedMeanwhile", f"Deployment {case.found.name} was deleted and created anew meanwhile")


def _same_template(case: ApplyCase) -> Refusal | None:
    if case.current.deployment.template == case.found.template:
        return None
    return Refusal("ChangedMeanwhile", f"somebody has changed the template of Deployment {case.found.name} meanwhile")


def _still_broken(case: ApplyCase) -> Refusal | None:
    seen = look(case.current)
    if seen.diagnosis is Diagnosis.IMAGE_NOT_PULLED:
        return None
    return Refusal("ChangedMeanwhile", f"the finding does not hold any more: {seen.message}")


def _enough_time(case: ApplyCase) -> Refusal | None:
    if case.now + case.needed <= case.deadline:
        return None
    left, needed = max((case.deadline - case.now).total_seconds(), 0), case.needed.total_seconds()
    return Refusal(
        "Timeout",
        f"{left:.0f} s are left until the deadline; {needed:.0f} s are needed to verify the fix or to roll it back",
    )


APPLY: tuple[Callable[[ApplyCase], Refusal | None], ...] = (
    _same_deployment,
    _same_template,
    _still_broken,
    _enough_time,
)
