"""Runs the cases side by side, each on an application of its own, and keeps what was seen."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from demo import HUB, NAMESPACE, Demo, DemoError
from e2e_residues import LookFailed, residues
from fault_app import DEVICE, manifest

Object = dict[str, Any]
TARGET = "firedrill-finance"
FAMILIES = ("workload", "config", "network", "stress", "node", "controlplane", "secret")
_AT_ONCE = 5


@dataclass(frozen=True)
class Case:
    """A fault, and whether it shows in the answers of the application or only in its pods."""

    name: str
    fault: Object
    #: Of a fault that hurts only what is to be replaced: the pod is deleted meanwhile.
    pod_is_lost: bool = False
    #: A fault that a well-kept application survives without a failed request; None where that depends on the machine.
    survived: bool | None = False
    duration: str = "20s"
    replicas: int = 1
    #: What the application asks for besides: password, tls, api, work or headroom.
    asks: str = ""
    #: Of a fault that a well-kept application survives, where else it shows: in its Deployment, or to who evicts.
    shows: Literal["", "Deployment", "eviction"] = ""
    kind: str = "Deployment"
    device: bool = False
    #: Of the application: whether it serves several at once, and its limit of processor time.
    threads: bool = True
    cpu: str = ""


@dataclass
class Seen:
    """What came of a case."""

    status: Object
    before: Object
    after: Object
    measured: dict[str, Any] = field(default_factory=dict)
    #: What else was seen before, during and after.
    shown: tuple[str, ...] = ()

    def condition(self, name: str) -> str:
        """Status and reason of a condition."""
        found = [c for c in self.status["conditions"] if c["type"] == name]
        return f"{found[0]['status']} {found[0]['reason']}" if found else ""


def allow_everything(lab: Demo, *more: str) -> None:
    """Install the rights of every family in the target, and let its policy allow them."""
    chart = ("operator.enabled=false", "crds.enabled=false", "target.enabled=true", "target.simulation.enabled=true")
    named = (
        "target.secrets.names={shop,shop-tls}",
        "target.bindableRoles={shop}",
        "target.probes.read[0].apiGroups={apps}",
        "target.probes.read[0].resources={deployments}",
    )
    lab.helm(TARGET, "firedrill", "firedrill", *chart, *named, *more, f"target.faultFamilies={{{','.join(FAMILIES)}}}")
    policy = {"spec": {"policy": {"faultFamilies": list(FAMILIES)}}}
    lab.kubectl(HUB, "patch", "targetcluster", "finance", "--type=merge", "-p", json.dumps(policy))


def run_all(lab: Demo, cases: Sequence[Case]) -> dict[str, Seen]:
    """All cases, a few at a time; those of the nodes alone, because they hit everybody."""
    alone = [case for case in cases if next(iter(case.fault)).startswith(("node", "extended", "apiSurge"))]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        together = [case for case in cases if case not in alone]
        found = dict(zip((c.name for c in together), pool.map(lambda c: _run(lab, c), together), strict=True))
    return found | {case.name: _run(lab, case) for case in alone}


def _run(lab: Demo, case: Case) -> Seen:
    namespace = f"fault-{case.name}"
    if case.device:
        _give_device(lab)
    lab.kubectl(TARGET, "apply", "-f", "-", stdin=_manifest(case, namespace), capture=True)
    try:
        # The cluster adds it to every namespace, some time later.
        lab.kubectl(TARGET, "-n", namespace, "wait", "--for=create", "configmap/kube-root-ca.crt", "--timeout=60s")
        before = residues(lab, "finance", namespace)
        status, shown = _experiment(lab, case, namespace)
        return Seen(status, before, residues(lab, "finance", namespace), _measured(status), shown)
    except (DemoError, LookFailed) as error:
        # The other cases go on; this one fails by what it says.
        return Seen({"verdict": "", "message": str(error), "conditions": []}, {}, {"error": str(error)})
    finally:
        lab.kubectl(HUB, "-n", NAMESPACE, "delete", "chaosexperiment", case.name, "--ignore-not-found", capture=True)
        lab.kubectl(TARGET, "delete", "namespace", namespace, "--wait=false", capture=True)


def _give_device(lab: Demo) -> None:
    """Have every node say that it has a device."""
    nodes = json.loads(lab.kubectl(TARGET, "get", "nodes", "-o", "json", capture=True))["items"]
    change = json.dumps({"status": {part: {DEVICE: "2"} for part in ("capacity", "allocatable")}})
    for node in nodes:
        name = node["metadata"]["name"]
        lab.kubectl(TARGET, "patch", "node", name, "--subresource=status", "--type=merge", "-p", change, capture=True)


def _manifest(case: Case, namespace: str) -> str:
    return manifest(
        namespace,
        case.replicas,
        asks=case.asks,
        kind=case.kind,
        device=case.device,
        threads=case.threads,
        cpu=case.cpu,
    )


def _in_the_deployment(namespace: str) -> list[Object]:
    """Probes that look at the Deployment: it misses no pod before and after, and does during."""
    shop = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": "shop"}
    missed = {**shop, "path": "$.status.unavailableReplicas", "interval": "250ms"}
    return [
        {"name": "whole", "when": ["Before", "After"], "kubernetes": {**missed, "exists": False}},
        {"name": "misses", "when": ["During"], "minSuccessRate": 0.5, "kubernetes": missed},
    ]


def _eviction(lab: Demo, namespace: str) -> str:
    """What becomes of who would evict the application's pods."""
    pods = lab.kubectl(TARGET, "-n", namespace, "get", "pods", "-l", "app=shop", "-o", "name", capture=True).split()
    name = pods[0].removeprefix("pod/")
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    where = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction?dryRun=All"
    try:
        lab.kubectl(TARGET, "create", "--raw", where, "-f", "-", stdin=json.dumps(body), capture=True)
    except DemoError as error:
        if "disruption budget" not in str(error):
            raise
        return "refused by the budget"
    return "admitted"


def _experiment(lab: Demo, case: Case, namespace: str) -> tuple[Object, tuple[str, ...]]:
    shown = [_eviction(lab, namespace)] if case.shows == "eviction" else []
    body = {
        "apiVersion": "firedrill.dev/v1alpha1",
        "kind": "ChaosExperiment",
        "metadata": {"name": case.name, "namespace": NAMESPACE},
        "spec": {
            "clusters": {"names": ["finance"]},
            "timeout": "8m",
            "duration": case.duration,
            "recoveryTimeout": "240s",
            "steadyState": {"http": {"url": f"http://shop.{namespace}:8080/", "timeout": "2s"}, "window": "5s"},
            "target": {"namespace": namespace, "matchLabels": {"app": "shop"}},
            "fault": json.loads(json.dumps(case.fault).replace("NAMESPACE", namespace)),
            "probes": _in_the_deployment(namespace) if case.shows == "Deployment" else [],
        },
    }
    lab.kubectl(HUB, "apply", "-f", "-", stdin=json.dumps(body), capture=True)
    where = ("-n", NAMESPACE, f"chaosexperiment/{case.name}")
    if case.pod_is_lost:
        _wait(lab, "Injected", *where)
        lab.kubectl(TARGET, "-n", namespace, "delete", "pods", "--all", "--wait=false", capture=True)
    if case.shows == "eviction":
        _wait(lab, "Injected", *where)
        shown.append(_eviction(lab, namespace))
    _wait(lab, "Complete", *where)
    found: Object = json.loads(lab.kubectl(HUB, "get", *where, "-o", "json", capture=True))
    if case.shows == "eviction":
        shown.append(_eviction(lab, namespace))
    if case.shows == "Deployment":
        rates = _measured(found["status"])
        shown = [
            f"{rate}: {100 * rates[f'probe.{rate}']:.0f} %" for rate in ("whole.before", "misses.during", "whole.after")
        ]
    return dict(found["status"]), tuple(shown)


def _wait(lab: Demo, condition: str, *where: str) -> None:
    lab.kubectl(HUB, "wait", f"--for=condition={condition}", "--timeout=540s", *where, capture=True)


def _measured(status: Object) -> dict[str, Any]:
    clusters = status.get("clusters") or [{}]
    return {item["name"]: item.get("value") for item in clusters[0].get("measurements", [])}


def table(cases: Sequence[Case], seen: dict[str, Seen]) -> str:
    """What was seen, as Markdown."""
    lines = [
        "# Faults, as they were seen",
        "",
        f"Written by `make e2e-faults` on {time.strftime('%Y-%m-%d', time.gmtime())}: each fault on an application of "
        "one pod that was not prepared for it, on a real cluster, a few at a time on shared processors. The probe "
        "asks over HTTP five times a second.",
        "",
        "| case | fault | answers during | first failure after | recovered after | proof of the end | elsewhere |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in cases:
        found = seen[case.name]
        rate = found.measured.get("successRateDuring")
        cells = (
            case.name + (" (its pod deleted meanwhile)" if case.pod_is_lost else ""),
            f"`{json.dumps(case.fault)}`",
            "none" if rate is None else f"{100 * rate:.0f} % good",
            _seconds(found.measured.get("timeToDetect")),
            _seconds(found.measured.get("recoveryTime")),
            found.condition("RecoveryVerified"),
            "; ".join(found.shown),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _seconds(value: Any) -> str:
    return "none" if value is None else f"{value:.1f} s"
