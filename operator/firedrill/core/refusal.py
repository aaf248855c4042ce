"""What the policy of a target forbids, as far as the hub can tell; the runner checks it again in the target."""

from dataclasses import dataclass
from datetime import datetime

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.driftcheck import DriftCheckSpec
from firedrill.api.errors import InvalidInput
from firedrill.api.ondrift import DriftAction, SageMakerPipelineStart
from firedrill.api.resource import RunResource
from firedrill.api.simulation import SimulationSpec
from firedrill.api.targetcluster import TargetPolicy
from firedrill.core.blackout import in_the_way
from firedrill.core.observed import TargetView
from firedrill.core.requester import VERBS, Requester


@dataclass(frozen=True)
class Refused:
    """Why a run is not begun in a target, as one word and as a sentence."""

    reason: str
    message: str


def refusal(
    resource: RunResource, view: TargetView, now: datetime, requester: Requester | None = None
) -> Refused | None:
    """Which rule of the target forbids this run now; None where none does. ``requester`` is who asked for it."""
    return forbidden(resource, view, requester) or unready(resource, view, now)


def unready(resource: RunResource, view: TargetView, now: datetime) -> Refused | None:
    """What forbids this run now, and will pass by itself or by a word of whoever owns the target."""
    if view.target.spec.suspend:
        return Refused("NotPermitted", f"TargetCluster {view.target.name} is suspended (spec.suspend)")
    if isinstance(resource.spec, ChaosExperimentSpec):
        return _blackout(resource.spec, view, now)
    return None


def forbidden(resource: RunResource, view: TargetView, requester: Requester | None) -> Refused | None:
    """What forbids this run at any time."""
    rule = _rule(resource, view) or _unasked(resource, view, requester)
    return Refused("NotPermitted", rule) if rule else None


def _unasked(resource: RunResource, view: TargetView, requester: Requester | None) -> str:
    name = view.target.name
    if resource.kind.name not in VERBS:
        return ""
    if requester is None:
        if not view.target.spec.policy.require_requester:
            return ""
        return (
            f"TargetCluster {name} wants to know who asks (spec.policy.requireRequester), and no stamp of admission is "
            "on what the resource says now: install the webhook, and ask for the run again"
        )
    if requester.may_use(name):
        return ""
    return (
        f"user {requester.user} was not seen to have the verb {VERBS[resource.kind.name]} on TargetCluster {name}: it "
        "was not matched when the run was asked for; ask again"
    )


def _rule(resource: RunResource, view: TargetView) -> str:
    policy, name = view.target.spec.policy, view.target.name
    if not {"*", resource.meta.namespace} & set(policy.hub_namespaces):
        return f"TargetCluster {name} does not allow namespace {resource.meta.namespace} (spec.policy.hubNamespaces)"
    if not {"*", resource.kind.name} & set(policy.kinds):
        return f"TargetCluster {name} does not allow kind {resource.kind.name} (spec.policy.kinds)"
    if isinstance(resource.spec, ChaosExperimentSpec):
        for family in dict.fromkeys(fault.family for fault in resource.spec.faults):
            if family not in policy.fault_families:
                return f"TargetCluster {name} does not allow fault family {family} (spec.policy.faultFamilies)"
        for wanted in resource.spec.opt_outs:
            if wanted not in policy.allow_opt_outs:
                return f"TargetCluster {name} does not admit the opt-out {wanted} (spec.policy.allowOptOuts)"
    if isinstance(resource.spec, DriftCheckSpec) and resource.spec.on_drift is not None:
        return next(filter(None, (_action_rule(action, view) for action in resource.spec.on_drift.actions)), "")
    if isinstance(resource.spec, SimulationSpec):
        namespace = resource.spec.namespace_for(resource.meta.name)
        if not {"*", namespace} & set(policy.target_namespaces):
            return f"TargetCluster {name} does not allow namespace {namespace} (spec.policy.targetNamespaces)"
    return ""


def _action_rule(action: DriftAction, view: TargetView) -> str:
    policy, name = view.target.spec.policy, view.target.name
    if action.namespace and not {"*", action.namespace} & set(policy.target_namespaces):
        return f"TargetCluster {name} does not allow namespace {action.namespace} (spec.policy.targetNamespaces)"
    pipeline = action.sage_maker_pipeline
    if pipeline and pipeline.secret_ref is None and not may_start(policy, pipeline):
        asked = pipeline.pipeline_name
        return f"TargetCluster {name} does not allow the pipeline {asked} (spec.policy.sageMakerPipelines)"
    return ""


def may_start(policy: TargetPolicy, pipeline: SageMakerPipelineStart) -> bool:
    """Whether a pipeline of SageMaker may be started by the runner's own identity."""
    return bool({"*", pipeline.pipeline_name} & set(policy.sage_maker_pipelines))


def _blackout(spec: ChaosExperimentSpec, view: TargetView, now: datetime) -> Refused | None:
    try:
        found = in_the_way(view.target.spec.policy, spec, now)
    except InvalidInput as error:
        return Refused("NotPermitted", f"TargetCluster {view.target.name}: {error}")
    return Refused("BlackoutWindow", f"{view.target.name}: {found.told}") if found else None
