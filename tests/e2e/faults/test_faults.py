"""Every fault that can be shown here: an application that was not prepared for it suffers, and recovers.

That our own value is in an object proves nothing; what counts is what the application answers, before, during and
after, and that by an independent look nothing is left.
"""

import os
from pathlib import Path

import pytest
from demo import ROOT, Demo
from fault_app import DEVICE
from fault_runs import Case, Seen, allow_everything, run_all, table

pytestmark = pytest.mark.e2e

ALL = (
    Case("pod-kill", {"podKill": {}}),
    Case("pod-evict", {"podEvict": {"gracePeriodSeconds": 0}}),
    Case("pod-failure", {"podFailure": {}}),
    Case("scale", {"scale": {"replicas": 0}}),
    Case("image-break", {"imageBreak": {}}),
    Case("image-break-rolling", {"imageBreak": {"rollout": "Rolling"}}, survived=True, shows="Deployment"),
    Case("command-break", {"commandBreak": {}}),
    Case("crash-loop", {"crashLoop": {}}),
    Case("init-hang", {"initContainer": {"mode": "Hang"}}),
    Case("init-crash", {"initContainer": {"mode": "Crash"}}),
    Case("readiness-break", {"probeBreak": {"probe": "Readiness"}}),
    Case("liveness-break", {"probeBreak": {"probe": "Liveness"}}),
    Case("startup-break", {"probeBreak": {"probe": "Startup"}}),
    Case("rollout-stuck", {"rolloutStuck": {}}, survived=True, shows="Deployment"),
    Case("memory-squeeze", {"limitsSqueeze": {"memory": "8Mi"}}),
    Case("env-drift", {"envDrift": {"name": "MODE", "value": "wrong"}}),
    Case("missing-volume", {"missingVolume": {}}),
    Case("missing-config", {"missingConfig": {}}),
    Case("anti-affinity", {"schedulingBlock": {"rule": "AntiAffinity"}}),
    Case("node-selector", {"schedulingBlock": {"rule": "NodeSelector"}}),
    Case("node-name", {"schedulingBlock": {"rule": "NodeName"}}),
    Case("requests-too-large", {"schedulingBlock": {"rule": "Requests"}}),
    Case("missing-service-account", {"missingServiceAccount": {}}),
    Case("dns-break", {"dnsBreak": {}}),
    Case("security-break", {"securityBreak": {}}),
    Case("port-conflict", {"portConflict": {"port": 8080}}),
    Case("config-drift", {"configDrift": {"name": "shop", "key": "mode", "value": "wrong"}}, duration="120s"),
    Case("wrong-port", {"wrongPort": {"service": "shop"}}),
    Case("wrong-selector", {"wrongSelector": {"service": "shop"}}),
    Case("service-delete", {"serviceDelete": {"service": "shop"}}),
    Case("config-map-delete", {"configMapDelete": {"name": "shop"}}, pod_is_lost=True, duration="30s"),
    Case("packet-loss", {"packetLoss": {"percent": 60, "port": 8080}}),
    Case("network-partition", {"networkPartition": {}}),
    Case("connection-reset", {"connectionReset": {"port": 8080}}),
    Case("dns-failure", {"dnsFailure": {}}),
    Case("network-latency", {"networkLatency": {"port": 8080, "delay": "3s", "jitter": "200ms"}}),
    Case("bandwidth-limit", {"bandwidthLimit": {"port": 8080, "rate": "1kbit"}}),
    Case("http-abort", {"httpAbort": {"port": 8080, "percent": 70}}),
    Case("http-delay", {"httpDelay": {"port": 8080, "delay": "3s"}}),
    Case("http-replace", {"httpReplace": {"port": 8080, "body": "no", "status": 500}}),
    Case("dns-answer", {"dnsAnswer": {"answers": [{"name": "shop.NAMESPACE.svc.cluster.local"}]}}),
    Case("container-kill", {"containerKill": {}}),
    Case("cpu-stress", {"cpuStress": {"workers": 8}}, asks="work", cpu="500m"),
    Case("memory-stress", {"memoryStress": {"limitPercent": 80}}, asks="headroom"),
    Case("oom-kill", {"oomKill": {}}),
    Case("disk-fill", {"diskFill": {"path": "/scratch", "freePercent": 100}}),
    Case("connection-exhaustion", {"connectionExhaustion": {"port": 8080, "connections": 200}}, threads=False),
    Case("quota-exhausted", {"quotaExhausted": {}}, pod_is_lost=True, duration="30s"),
    Case("limit-range-block", {"limitRangeBlock": {}}, pod_is_lost=True, duration="30s"),
    Case("webhook-failure", {"webhookFailure": {}}, pod_is_lost=True, duration="30s"),
    Case(
        "api-surge",
        {"apiSurge": {"acknowledgeClusterWide": True, "scope": "Cluster", "rate": 500, "concurrency": 100}},
        survived=None,
    ),
    Case("pdb-block", {"pdbBlock": {}}, survived=True, shows="eviction"),
    Case("node-cordon", {"nodeCordon": {}}, pod_is_lost=True, duration="30s"),
    Case("node-taint", {"nodeTaint": {}}, pod_is_lost=True, duration="30s"),
    Case("secret-rotate", {"secretRotate": {"name": "shop", "key": "password"}}, asks="password", duration="120s"),
    Case("secret-delete", {"secretDelete": {"name": "shop"}}, asks="password", pod_is_lost=True, duration="30s"),
    Case("certificate-expired", {"certificateSecretExpired": {"name": "shop-tls"}}, asks="tls", duration="120s"),
    Case(
        "certificate-wrong-host",
        {"certificateSecretExpired": {"name": "shop-tls", "flaw": "WrongHost"}},
        asks="tls",
        duration="120s",
    ),
    Case("rbac-revoked", {"rbacRevoked": {"roleBinding": "shop"}}, asks="api"),
    Case("finalizer-block", {"finalizerBlock": {}}, pod_is_lost=True, kind="StatefulSet", duration="30s"),
    Case("webhook-slow", {"webhookSlow": {"seconds": 10}}, pod_is_lost=True, duration="30s"),
    Case("node-drain", {"nodeDrain": {"gracePeriodSeconds": 0}}),
    Case(
        "extended-resource-loss",
        {"extendedResourceLoss": {"resource": DEVICE}},
        pod_is_lost=True,
        device=True,
        duration="30s",
    ),
)
#: FIREDRILL_FAULT_CASES names some, for work on them.
_NAMED = os.environ.get("FIREDRILL_FAULT_CASES", "")
CASES = tuple(case for case in ALL if not _NAMED or case.name in _NAMED.split(","))


@pytest.fixture(scope="module")
def seen(lab: Demo) -> dict[str, Seen]:
    """What came of every case."""
    allow_everything(lab)
    found = run_all(lab, CASES)
    if os.environ.get("FIREDRILL_WRITE_DOCS") and CASES == ALL:
        Path(ROOT / "docs" / "faults-seen.md").write_text(table(CASES, found))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_application_suffers_by_the_fault_and_recovers(case: Case, seen: dict[str, Seen]) -> None:
    found = seen[case.name]
    assert found.status["verdict"] == "Passed", found.status["message"]
    assert found.condition("Injected") == "True FaultObserved"
    assert found.condition("Recovered") == "True SteadyStateHolds"
    assert found.condition("RecoveryVerified") == "True SeenUndone"
    assert found.measured["successRateBefore"] >= 0.95
    assert found.measured["successRateAfter"] >= 0.95
    if case.survived is not None:
        assert (found.measured["timeToDetect"] is None) == case.survived, found.measured
    if case.shows == "eviction":
        assert found.shown == ("admitted", "refused by the budget", "admitted")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_is_left_of_it(case: Case, seen: dict[str, Seen]) -> None:
    assert seen[case.name].after == seen[case.name].before
