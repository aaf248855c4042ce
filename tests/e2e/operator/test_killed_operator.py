"""The operator is killed around an injection into real pods: the writes that begin it, tell of it and end it.

The operator of the chart is stopped, and one on this machine works in its stead with the same rights, through
proxies that kill it before a write reaches the API server, or after it was done and before the operator hears of it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from demo import HUB, SAMPLES, Demo
from e2e_residues import residues

from support.background import Background
from support.eventually import eventually
from support.faultproxy import Call, FaultProxy
from support.kube import Cluster, Object, access
from support.operator_process import OperatorProcess, Settings
from support.requests import Request

pytestmark = pytest.mark.e2e

SAMPLE = SAMPLES / "chaos-packet-loss.yaml"
NAMESPACE = "firedrill-system"
RUNNER_IMAGE = "docker.io/firedrill/runner:dev"
#: Which API server, and which write: the one that lets the runner begin, the one that tells of the fault, the verdict.
WRITES = (
    ("finance", "POST configmaps (task)"),
    ("hub", "PUT chaosexperiments/status (fault is on)"),
    ("hub", "PUT chaosexperiments/status (verdict)"),
)


class HostOperator:
    """An operator on this machine, for the hub and the finance target of the lab."""

    def __init__(self, lab: Demo, folder: Path) -> None:
        kubeconfig = Path(lab.state["kubeconfig"])
        self.lab = lab
        self.background = Background()
        self.hub = Cluster("hub", access(kubeconfig, HUB))
        self.finance = Cluster("finance", access(kubeconfig, "firedrill-finance"))
        self.proxies = {
            "hub": FaultProxy(self.background, self.hub),
            "finance": FaultProxy(self.background, self.finance),
        }
        self._scale(0)
        self._point_target_at(self.proxies["finance"].url)
        path = folder / "operator.kubeconfig"
        path.write_text(_kubeconfig(self.proxies["hub"].url, self.hub.token(NAMESPACE, "firedrill-operator")))
        extra = {"FIREDRILL_RUNNER_IMAGE": RUNNER_IMAGE}
        self.process = OperatorProcess(Settings(path, NAMESPACE, folder / "operator.log", "host-operator", extra))

    def close(self) -> None:
        """Leave the lab to the operator of the chart."""
        self.process.stop()
        servers = {cluster["name"]: cluster["server"] for cluster in self.lab.state["clusters"]}
        self._point_target_at(servers["finance"])
        self._scale(1)
        for proxy in self.proxies.values():
            proxy.close()
        self.background.close()

    def keep_alive(self) -> None:
        """What a kubelet does."""
        if not self.process.alive:
            self.process.start()

    def _scale(self, replicas: int) -> None:
        deployment = "deployment/firedrill-operator"
        self.lab.kubectl(HUB, "-n", NAMESPACE, "scale", deployment, f"--replicas={replicas}")
        self.lab.kubectl(HUB, "-n", NAMESPACE, "rollout", "status", deployment, "--timeout=120s")
        if not replicas:
            self.lab.kubectl(
                HUB,
                "-n",
                NAMESPACE,
                "wait",
                "--for=delete",
                "pod",
                "--timeout=60s",
                "-l",
                "app.kubernetes.io/component=operator",
            )

    def _point_target_at(self, server: str) -> None:
        """The same credentials at another address; the certificate is no matter behind a proxy of ours."""
        families = ("--fault-family", "workload", "--fault-family", "network")
        self.lab.firedrill(
            "target",
            "add",
            "finance",
            "--context",
            "firedrill-finance",
            "--hub-context",
            HUB,
            "--server",
            server,
            "--label",
            "industry=finance",
            *families,
        )


def _kubeconfig(server: str, token: str) -> str:
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )


@pytest.fixture(scope="module")
def operator(lab: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostOperator]:
    """The operator on this machine in the place of the chart's."""
    made = HostOperator(lab, tmp_path_factory.mktemp("operator"))
    yield made
    made.close()


def _resource(lab: Demo) -> Object:
    found: Object = json.loads(lab.kubectl(HUB, "get", "-f", str(SAMPLE), "-o", "json", capture=True))
    return found


@pytest.mark.parametrize("before", [True, False], ids=["killed before", "killed after"])
@pytest.mark.parametrize(("cluster", "label"), WRITES, ids=[label for _, label in WRITES])
def test_a_kill_around_the_injection_changes_nothing(
    lab: Demo, operator: HostOperator, cluster: str, label: str, before: bool
) -> None:
    """One Job, no fault left, the right verdict, whenever the operator dies."""
    lab.kubectl(HUB, "delete", "--ignore-not-found", "--wait", "-f", str(SAMPLE))
    left = residues(lab, "finance", "payments")
    operator.keep_alive()
    operator.process.wait_ready()

    def matches(request: Request) -> bool:
        return request.mutating and request.label == label

    fault = operator.proxies[cluster].add(Call(operator.process.kill, before), matches)
    written = {name: len(proxy.writes) for name, proxy in operator.proxies.items()}
    try:
        lab.kubectl(HUB, "apply", "-f", str(SAMPLE))

        def complete() -> bool:
            operator.keep_alive()
            conditions = _resource(lab).get("status", {}).get("conditions", [])
            return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)

        eventually(complete, f"complete after a kill at {label}", within=240, also=operator.process.tail)
    finally:
        operator.proxies[cluster].remove(fault)
    assert fault.hits == 1, "the write came at which to kill"
    eventually(
        lambda: operator.keep_alive() or "finalizers" not in _resource(lab)["metadata"],
        "the finalizer is taken off",
        within=60,
        also=operator.process.tail,
    )
    resource = _resource(lab)
    status = resource["status"]
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Passed", "SteadyStateHeld"), status
    assert len(status["history"]) == 1
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert (conditions["Injected"], conditions["RecoveryVerified"]) == ("True", "True")
    done = [w.label for w in operator.proxies["finance"].writes[written["finance"] :] if w.done]
    assert (done.count("POST jobs (runner)"), done.count("POST jobs (guardian)")) == (1, 1), done
    assert residues(lab, "finance", "payments") == left
