"""What the policy of a target forbids, as far as the hub can tell; the runner checks it again in the target."""

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.resource import RunResource
from firedrill.api.simulation import SimulationSpec
from firedrill.core.observed import TargetView


def refusal(resource: RunResource, view: TargetView) -> str:
    """Which rule of the target forbids this run; empty where none does."""
    policy, name = view.target.spec.policy, view.target.name
    if view.target.spec.suspend:
        return f"TargetCluster {name} is suspended (spec.suspend)"
    if not {"*", resource.meta.namespace} & set(policy.hub_namespaces):
        return f"TargetCluster {name} does not allow namespace {resource.meta.namespace} (spec.policy.hubNamespaces)"
    if not {"*", resource.kind.name} & set(policy.kinds):
        return f"TargetCluster {name} does not allow kind {resource.kind.name} (spec.policy.kinds)"
    if isinstance(resource.spec, ChaosExperimentSpec):
        for family in dict.fromkeys(fault.family for fault in resource.spec.faults):
            if family not in policy.fault_families:
                return f"TargetCluster {name} does not allow fault family {family} (spec.policy.faultFamilies)"
    if isinstance(resource.spec, SimulationSpec):
        namespace = resource.spec.namespace_for(resource.meta.name)
        if not {"*", namespace} & set(policy.target_namespaces):
            return f"TargetCluster {name} does not allow namespace {namespace} (spec.policy.targetNamespaces)"
    return ""
