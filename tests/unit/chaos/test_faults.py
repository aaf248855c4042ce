"""What each fault sets, where, and what it refuses to be applied to."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError

from firedrill.api.faults.about import Hits
from firedrill.api.faults.awsfis import AwsFis
from firedrill.api.faults.controlplane import ApiSurge
from firedrill.api.faults.data import StoreFault
from firedrill.api.faults.engines import ChaosToolkit
from firedrill.api.faults.node import NodeNotReady
from firedrill.api.faults.operators import ChaosMesh, Litmus
from firedrill.api.faults.pods import PodEvict, PodKill
from firedrill.api.faults.stress import STRESS_FAULTS
from firedrill.api.faults.traffic import TRAFFIC_FAULTS
from firedrill.api.faults.union import FAULTS, Fault
from firedrill.api.target import PodTarget
from firedrill.engines.chaos.editing import applying, edit, told
from firedrill.engines.chaos.faults import deletions, fields, filters, objects, template
from firedrill.engines.chaos.faults.template import NotApplicable, Setting
from firedrill.runner import nft
from support.jsonpatch import patched

Object = dict[str, Any]
SETTING = Setting("run1", "firedrill/runner:1")
MARK = "spec.template.metadata.annotations.firedrill.dev/run"
APP = "spec.template.spec.containers[name=app]"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def deployment(**spec: Any) -> Object:
    containers = [{"name": "app", "image": "app:1"}, {"name": "sidecar", "image": "sidecar:1"}]
    return {
        "kind": "Deployment",
        "metadata": {"resourceVersion": "1"},
        "spec": {
            "replicas": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}},
            **spec,
        },
    }


def other(**parts: Any) -> Object:
    return {"metadata": {"resourceVersion": "1"}, **parts}


REPLACED = {MARK: "run1", "spec.strategy": {"type": "Recreate"}}


@dataclass
class Row:
    """A fault on an object: what is set where, or why not."""

    fault: Object
    sets: Object = field(default_factory=dict)
    on: Object = field(default_factory=deployment)
    refused: str = ""


SECRET = other(kind="Secret", type="Opaque", data={"password": encoded("aB3-aB3-aB3")})
INIT = "spec.template.spec.initContainers[name=firedrill-run1]"
ROWS = [
    Row({"secretRotate": {"name": "a", "key": "token"}}, on=SECRET,
        refused="it holds nothing at token: there is password"),
    Row({"secretRotate": {"name": "a", "key": "password"}}, on={**SECRET, "immutable": True},
        refused="it is immutable"),
    Row({"secretRotate": {"name": "a", "key": "password"}},
        on={**SECRET, "type": "kubernetes.io/service-account-token"}, refused="the control plane would make anew"),
    Row({"secretRotate": {"name": "a", "key": "lines"}}, on=other(kind="Secret", data={"lines": encoded("-- --")}),
        refused="no letter and no digit"),
    Row({"certificateSecretExpired": {"name": "a"}}, on=SECRET, refused="it is of type Opaque"),
    Row({"certificateSecretExpired": {"name": "a"}}, on=other(kind="Secret", type="kubernetes.io/tls",
        data={"tls.crt": encoded("none"), "tls.key": encoded("none")}), refused="tls.crt is no certificate in PEM"),
    Row({"scale": {"replicas": 0}}, {"spec.replicas": 0}),
    Row({"scale": {"replicas": 3}}, refused="it is to have 3 pods already"),
    Row({"scale": {}}, on=other(kind="DaemonSet", spec={}), refused="the node count decides"),
    Row({"imageBreak": {}}, {**REPLACED, f"{APP}.image": template.NO_IMAGE}),
    Row({"imageBreak": {"rollout": "Rolling"}}, {MARK: "run1", f"{APP}.image": template.NO_IMAGE}),
    Row({"imageBreak": {"container": "none"}}, refused="no container none in it: there is app, sidecar"),
    Row({"commandBreak": {"container": "sidecar"}},
        {**REPLACED, "spec.template.spec.containers[name=sidecar].command": ["/firedrill.dev/no-such-program"]}),
    Row({"crashLoop": {}}, {**REPLACED, f"{APP}.image": "firedrill/runner:1", f"{APP}.command": ["false"],
        f"{APP}.imagePullPolicy": "IfNotPresent"}),
    Row({"probeBreak": {"probe": "Liveness"}}, {**REPLACED, f"{APP}.livenessProbe": {
        "tcpSocket": {"port": 1}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1}}),
    Row({"rolloutStuck": {}}, {MARK: "run1",
        "spec.template.spec.readinessGates[conditionType=firedrill.dev/run1]":
            {"conditionType": "firedrill.dev/run1"}}),
    Row({"limitsSqueeze": {"memory": "8Mi"}}, {**REPLACED, f"{APP}.resources.limits.memory": "8Mi",
        f"{APP}.resources.requests.memory": "8Mi"}),
    Row({"envDrift": {"name": "A", "value": "b"}}, {**REPLACED, f"{APP}.env[name=A]": {"name": "A", "value": "b"}}),
    Row({"finalizerBlock": {}}, {"metadata.finalizers[=firedrill.dev/run1]": "firedrill.dev/run1"}, on=other(spec={})),
    Row({"finalizerBlock": {}}, {"metadata.finalizers[=firedrill.dev/run1]": "firedrill.dev/run1"},
        on={"metadata": {"resourceVersion": "1", "finalizers": ["a/b"]}}),
    Row({"rbacRevoked": {"roleBinding": "a"}}, {"subjects": []}, on=other(subjects=[{"kind": "User", "name": "a"}])),
    Row({"rbacRevoked": {"roleBinding": "a"}}, on=other(), refused="it has no subjects"),
    Row({"nodeDrain": {}}, {"spec.unschedulable": True}, on=other(spec={})),
    Row({"extendedResourceLoss": {"resource": "a.b/gpu"}},
        {"status.capacity.a.b/gpu": "0", "status.allocatable.a.b/gpu": "0"},
        on=other(status={"capacity": {"a.b/gpu": "2"}, "allocatable": {"a.b/gpu": "2"}})),
    Row({"extendedResourceLoss": {"resource": "a.b/gpu"}}, on=other(status={"capacity": {"cpu": "2"}}),
        refused="it has no a.b/gpu to lose"),
    Row({"missingVolume": {}}, {**REPLACED, "spec.template.spec.volumes[name=firedrill-run1]":
        {"name": "firedrill-run1", "persistentVolumeClaim": {"claimName": "firedrill-run1"}}}),
    Row({"missingConfig": {}}, {**REPLACED, f"{APP}.env[name=FIREDRILL]": {"name": "FIREDRILL",
        "valueFrom": {"configMapKeyRef": {"name": "firedrill-run1", "key": "none"}}}}),
    Row({"missingServiceAccount": {}}, {**REPLACED, "spec.template.spec.serviceAccountName": "firedrill-run1",
        "spec.template.spec.serviceAccount": "firedrill-run1"}),
    Row({"dnsBreak": {}}, {**REPLACED, "spec.template.spec.dnsPolicy": "None",
        "spec.template.spec.dnsConfig": {"nameservers": ["192.0.2.1"]}}),
    Row({"securityBreak": {}}, {**REPLACED, f"{APP}.securityContext.runAsNonRoot": True,
        f"{APP}.securityContext.runAsUser": 0}),
    Row({"schedulingBlock": {"rule": "NodeName"}},
        {**REPLACED, "spec.template.spec.nodeName": "firedrill-no-such-node"}),
    Row({"schedulingBlock": {"rule": "Requests"}}, {**REPLACED, f"{APP}.resources.requests.cpu": "100k"}),
    Row({"schedulingBlock": {"rule": "NodeSelector"}},
        {**REPLACED, "spec.template.spec.nodeSelector.firedrill.dev/no-such-node": "true"}),
    Row({"configDrift": {"name": "c", "key": "limit", "value": "0"}}, {"data.limit": "0"},
        on=other(data={"limit": "5"})),
    Row({"configDrift": {"name": "c", "key": "none", "value": "0"}}, on=other(data={"limit": "5"}),
        refused="it has no key none: there is limit"),
    Row({"configDrift": {"name": "c", "key": "limit", "value": "5"}}, on=other(data={"limit": "5"}),
        refused="limit has that value already"),
    Row({"simulationFlag": {"flag": {"service": "ledger", "name": "slow", "value": 9}}},
        {"data.flags.json": '{"flags": [{"name": "failure", "service": "a", "value": 1}, '
                            '{"name": "slow", "service": "ledger", "value": 9.0}]}'},
        on=other(data={"flags.json": '{"flags": [{"name": "failure", "service": "a", "value": 1}, '
                                     '{"name": "slow", "service": "ledger", "value": 3}]}'})),
    Row({"simulationFlag": {"flag": {"service": "ledger", "name": "slow", "value": 9}}}, on=other(data={}),
        refused="no Simulation stands here"),
    Row({"wrongPort": {"service": "s"}}, {"spec.ports[port=80].targetPort": 1},
        on=other(spec={"ports": [{"port": 80, "targetPort": 8080}, {"port": 81}]})),
    Row({"wrongPort": {"service": "s", "port": 82}}, on=other(spec={"ports": [{"port": 80}, {"port": 81}]}),
        refused="it has no port 82: there is 80, 81"),
    Row({"wrongSelector": {"service": "s"}}, {"spec.selector.firedrill.dev/none": "run1"},
        on=other(spec={"selector": {"app": "a"}})),
    Row({"wrongSelector": {"service": "s"}}, on=other(spec={}), refused="it has no selector"),
    Row({"hpaSqueeze": {"name": "h"}}, {"spec.maxReplicas": 1, "spec.minReplicas": 1},
        on=other(spec={"maxReplicas": 9, "minReplicas": 3})),
    Row({"hpaSqueeze": {"name": "h", "maxReplicas": 9}}, on=other(spec={"maxReplicas": 9}),
        refused="it may ask for no more than 9 pods already"),
    Row({"nodeCordon": {}}, {"spec.unschedulable": True}, on=other(spec={})),
    Row({"nodeCordon": {}}, on=other(spec={"unschedulable": True}), refused="it is unschedulable already"),
    Row({"nodeTaint": {}}, {"spec.taints[key=firedrill.dev/run1]":
        {"key": "firedrill.dev/run1", "value": "fault", "effect": "NoSchedule"}}, on=other(spec={})),
    Row({"podFailure": {}}, {"spec.containers[name=app].image": fields.BAD_IMAGE},
        on=other(spec={"containers": [{"name": "app", "image": "app:1"}]})),
    Row({"scale": {"replicas": 1}}, refused="its volume claims are deleted",
        on=deployment(persistentVolumeClaimRetentionPolicy={"whenScaled": "Delete"})),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{next(iter(row.fault))} {row.refused}".strip())
def test_what_a_fault_sets(row: Row) -> None:
    fault = Fault.model_validate(row.fault).chosen
    if row.refused:
        with pytest.raises(NotApplicable, match=row.refused):
            fields.wishes(fault, row.on, SETTING)
        return
    found = fields.wishes(fault, row.on, SETTING)
    assert {told(wish.path): wish.value for wish in found} == row.sets
    patched(row.on, applying(row.on, [edit(row.on, wish) for wish in found]))


def test_an_init_container_is_as_restricted_as_pod_security_asks_for() -> None:
    for mode, command in (("Hang", ["sleep", "infinity"]), ("Crash", ["false"])):
        fault = Fault.model_validate({"initContainer": {"mode": mode}}).chosen
        (container,) = [w.value for w in fields.wishes(fault, deployment(), SETTING) if told(w.path) == INIT]
        assert container["command"] == command
        assert container["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_sidecar_listens_on_the_port_of_the_application() -> None:
    found = fields.wishes(Fault.model_validate({"portConflict": {"port": 8080}}).chosen, deployment(), SETTING)
    (sidecar,) = [w.value for w in found if told(w.path) == "spec.template.spec.containers[name=firedrill-run1]"]
    assert sidecar["command"] == ["python3", "-m", "http.server", "8080"]


def test_requests_that_no_node_meets_raise_the_limit_with_them() -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1"}}
    found = fields.wishes(Fault.model_validate({"schedulingBlock": {"rule": "Requests"}}).chosen, body, SETTING)
    assert {f"{APP}.resources.requests.cpu", f"{APP}.resources.limits.cpu"} <= {told(wish.path) for wish in found}


def test_what_is_kept_of_an_object_is_what_it_can_be_created_from() -> None:
    metadata = {"name": "shop", "labels": {"a": "b"}, "uid": "u", "resourceVersion": "1", "managedFields": []}
    body = {"kind": "Service", "metadata": metadata, "spec": {"clusterIP": "10.0.0.7"}, "status": {"loadBalancer": {}}}
    assert deletions.kept(body) == {
        "kind": "Service",
        "metadata": {"name": "shop", "labels": {"a": "b"}},
        "spec": {"clusterIP": "10.0.0.7"},
    }


@pytest.mark.parametrize(
    ("spec", "says"),
    [({"type": "LoadBalancer", "selector": {"a": "b"}}, "its load balancer"), ({}, "it has no selector")],
)
def test_a_service_that_would_not_come_back_whole_is_not_deleted(spec: Object, says: str) -> None:
    with pytest.raises(NotApplicable, match=says):
        deletions.check({"kind": "Service", "spec": spec})
    deletions.check({"kind": "Service", "spec": {"selector": {"a": "b"}}})


def test_a_service_without_its_addresses() -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    body = {"spec": {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "selector": {"a": "b"}, "ports": ports}}
    assert deletions.without_addresses(body) == {"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}


def test_anti_affinity_is_against_every_pod_on_every_node() -> None:
    fault = Fault.model_validate({"schedulingBlock": {}}).chosen
    (term,) = next(w.value for w in fields.wishes(fault, deployment(), SETTING) if "podAntiAffinity" in w.path)
    assert term == {"labelSelector": {}, "namespaceSelector": {}, "topologyKey": "kubernetes.io/hostname"}


def test_a_workload_that_replaces_its_pods_one_by_one_keeps_its_strategy() -> None:
    found = fields.wishes(Fault.model_validate({"imageBreak": {}}).chosen, deployment(strategy={}), SETTING)
    assert "spec.strategy" not in {told(wish.path) for wish in found}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_says_what_it_is_and_is_carried_out_by_one_way_alone(name: str) -> None:
    member = FAULTS[name]
    about = member.about
    assert about.does
    assert about.undone
    assert about.proven
    of_pods = (PodKill, PodEvict, *filters.FILTER_FAULTS, *TRAFFIC_FAULTS, *STRESS_FAULTS)
    engines = (ChaosToolkit, ChaosMesh, Litmus)
    beyond = (ApiSurge, NodeNotReady, AwsFis)
    own_way = issubclass(member, StoreFault) or member in (*of_pods, *deletions.DELETE_FAULTS, *engines, *beyond)
    assert (about.hits is Hits.ENGINE) == (member in engines)
    shared = (template.TEMPLATE_FAULTS, fields.FIELD_FAULTS, objects.OBJECT_FAULTS)
    assert own_way + sum(member in ways for ways in shared) == 1
    assert (about.hits is Hits.NAMESPACE) == (member in objects.OBJECT_FAULTS)


FILTERED: list[tuple[Object, filters.Filtered]] = [
    ({"packetLoss": {"percent": 30, "port": 80}}, filters.Filtered(30, "in", "tcp", 80, "drop")),
    ({"connectionReset": {"port": 80}}, filters.Filtered(100, "in", "tcp", 80, "reset")),
    ({"networkPartition": {"direction": "Egress"}}, filters.Filtered(100, "out", "any", None, "drop")),
    ({"dnsFailure": {}}, filters.Filtered(100, "out", "dns", None, "drop")),
]


@pytest.mark.parametrize(("fault", "expected"), FILTERED, ids=lambda value: str(value)[:24])
def test_what_a_fault_filters(fault: Object, expected: filters.Filtered) -> None:
    found = filters.filtered(Fault.model_validate(fault).chosen)
    assert found == expected
    nft.Filter("firedrill_a", found.percent, 1, found.direction, found.protocol, found.port, found.action)


OBJECTS: list[tuple[Object, str, Object]] = [
    ({"quotaExhausted": {}}, "ResourceQuota", {"spec": {"hard": {"pods": "0"}}}),
    ({"limitRangeBlock": {}}, "LimitRange", {"spec": {"limits": [{"type": "Pod", "max": {"memory": "1Mi"}}]}}),
    ({"pdbBlock": {}}, "PodDisruptionBudget",
     {"spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "a"}}}}),
    ({"networkDeny": {"direction": "Both"}}, "NetworkPolicy",
     {"spec": {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Ingress", "Egress"]}}),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "body"), OBJECTS, ids=lambda value: str(value)[:20])
def test_what_a_fault_creates(fault: Object, kind: str, body: Object) -> None:
    chosen = Fault.model_validate(fault).chosen
    assert objects.kind_of(chosen).kind == kind
    assert objects.made(chosen, PodTarget(namespace="payments", match_labels={"app": "a"})) == body


@pytest.mark.parametrize(
    ("fault", "policy", "seconds"),
    [({"webhookFailure": {}}, "Fail", 1), ({"webhookSlow": {"seconds": 7}}, "Ignore", 7)],
)
def test_a_webhook_concerns_new_pods_of_the_namespace_alone(fault: Object, policy: str, seconds: int) -> None:
    chosen = Fault.model_validate(fault).chosen
    (hook,) = objects.made(chosen, PodTarget(namespace="payments", match_labels={"app": "a"}))["webhooks"]
    assert hook["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "payments"}}
    assert hook["rules"][0]["operations"] == ["CREATE"]
    assert (hook["failurePolicy"], hook["timeoutSeconds"]) == (policy, seconds)
    assert objects.cluster_scoped(objects.kind_of(chosen))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({}, "set exactly one of podKill, .*; none is set"),
        ({"podKill": {}, "scale": {}}, "podKill, scale is set"),
        ({"limitsSqueeze": {}}, "set cpu, memory or both"),
        ({"wrongPort": {"service": "Not a name"}}, "pattern"),
        ({"explode": {}}, "explode"),
    ],
)
def test_a_wrong_fault_is_refused_by_name(fault: Object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Fault.model_validate(fault)
