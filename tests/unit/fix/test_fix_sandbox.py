"""What may be tried out in a sandbox, what it is built of, and what it shows."""

import json
from datetime import timedelta
from typing import Any

import pytest
from fix_builders import GOOD, T0, Object, template

from firedrill.engines.fix.isolation import ConfigMapNeed, config_maps, refusals
from firedrill.engines.fix.sandbox import SandboxPlan, namespace_object, network_policy, try_out_pod
from firedrill.engines.fix.tryout import TryOut, TryOutLook, TryOutWatch, look_at


def _container(**fields: Any) -> Object:
    body = template()
    body["spec"]["containers"][0].update(fields)
    return body


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (template(hostNetwork=True), "hostNetwork"),
        (template(hostPID=True), "hostPID"),
        (template(hostIPC=True), "hostIPC"),
        (template(imagePullSecrets=[{"name": "pull"}]), "imagePullSecrets"),
        (template(readinessGates=[{"conditionType": "lb"}]), "readinessGates"),
        (template(volumes=[{"name": "v", "hostPath": {"path": "/var"}}]), "hostPath (/var)"),
        (template(volumes=[{"name": "v", "secret": {"secretName": "keys"}}]), "secret (keys)"),
        (template(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]), "(data)"),
        (template(volumes=[{"name": "v", "nfs": {"server": "x", "path": "/"}}]), "nfs"),
        (template(volumes=[{"name": "v", "projected": {"sources": [{"serviceAccountToken": {}}]}}]), "Token"),
        (template(initContainers=[{"name": "i", "image": "x", "securityContext": {"privileged": True}}]), "privileged"),
        (_container(securityContext={"privileged": True}), "privileged"),
        (_container(securityContext={"capabilities": {"add": ["NET_ADMIN"]}}), "NET_ADMIN"),
        (_container(securityContext={"capabilities": {"add": ["CAP_NET_RAW"]}}), "NET_RAW"),
        (_container(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}), "SYS_ADMIN"),
        (_container(securityContext={"capabilities": {"add": ["ALL"]}}), "ALL"),
        (_container(ports=[{"containerPort": 80, "hostPort": 80}]), "hostPort"),
        (_container(env=[{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}]), "db"),
        (_container(envFrom=[{"secretRef": {"name": "db"}}]), "db"),
    ],
)  # fmt: skip
def test_what_can_not_be_isolated_is_refused_by_name(body: Object, named: str) -> None:
    assert named in " ".join(refusals(body))


@pytest.mark.parametrize(
    "body",
    [
        template(),
        template(volumes=[{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]),
        template(volumes=[{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}]),
        _container(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
        _container(envFrom=[{"secretRef": {"name": "db", "optional": True}}]),
        _container(env=[{"name": "P", "value": "x"}, {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}]),
    ],
)
def test_what_can_be_isolated(body: Object) -> None:
    assert refusals(body) == ()


def test_the_config_maps_that_are_needed() -> None:
    body = template(
        volumes=[
            {"name": "a", "configMap": {"name": "files", "optional": True}},
            {"name": "b", "projected": {"sources": [{"configMap": {"name": "parts"}}]}},
            {"name": "c", "configMap": {"name": "kube-root-ca.crt"}},
        ]
    )
    body["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "files"}}]
    body["spec"]["containers"][0]["env"] = [
        {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "extra", "key": "k", "optional": True}}}
    ]
    assert config_maps(body) == (
        ConfigMapNeed("extra", True), ConfigMapNeed("files", False), ConfigMapNeed("parts", False),
    )  # fmt: skip


def _plan(body: Object) -> SandboxPlan:
    labels = {"firedrill.dev/managed": "true"}
    return SandboxPlan("firedrill-sandbox-run1", labels, "runner:dev", body, ("10.0.0.1:443",), 2.0, 90)


def test_the_try_out_is_cut_off_before_anything_of_it_runs() -> None:
    body = template(
        serviceAccountName="important", priorityClassName="high", securityContext={"runAsNonRoot": True},
        initContainers=[{"name": "migrate", "image": "x"}],
    )  # fmt: skip
    pod_object = try_out_pod(_plan(body))
    spec = pod_object["spec"]
    names = [item["name"] for item in spec["initContainers"]]
    assert names == ["firedrill-isolate", "firedrill-canary", "migrate"]
    rules, canary, migrate = spec["initContainers"]
    assert rules["command"] == ["firedrill", "isolate"]
    assert rules["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert rules["securityContext"]["runAsUser"] == 0
    assert canary["command"] == ["firedrill", "isolate", "--timeout", "2", "--canary", "10.0.0.1:443"]
    assert "add" not in canary["securityContext"]["capabilities"]
    for container in (migrate, *spec["containers"]):
        assert {"NET_ADMIN", "NET_RAW"} <= set(container["securityContext"]["capabilities"]["drop"])
    assert spec["serviceAccountName"] == "default"
    assert spec["automountServiceAccountToken"] is False
    assert "priorityClassName" not in spec
    assert spec["activeDeadlineSeconds"] == 90
    assert body["spec"]["serviceAccountName"] == "important"  # the proposal itself is left alone


def test_the_namespace_denies_by_default() -> None:
    plan = _plan(template())
    assert network_policy(plan)["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert namespace_object(plan)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def _try_out(rules: Any = 0, canary: Any = 0, attempts: list[Object] | None = None, ready: bool = True) -> Object:
    tried = [{"address": "10.0.0.1:443", "connected": False}] if attempts is None else attempts

    def status(name: str, code: Any, message: str) -> Object:
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code, "message": message}}
        return {"name": name, "state": state}

    return {
        "metadata": {"name": "try-out", "uid": "u"},
        "spec": {"containers": [{"name": "gateway", "image": GOOD}]},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "initContainerStatuses": [
                status("firedrill-isolate", rules, "no such tool"),
                status("firedrill-canary", canary, json.dumps({"attempts": tried})),
            ],
            "containerStatuses": [{"name": "gateway", "ready": ready, "restartCount": 0, "state": {}}],
        },
    }


@pytest.mark.parametrize(
    ("raw", "state", "ready"),
    [
        (_try_out(), TryOut.WAITING, True),
        (_try_out(ready=False), TryOut.WAITING, False),
        (_try_out(rules=1), TryOut.NOT_ISOLATED, False),
        (_try_out(canary=1), TryOut.NOT_ISOLATED, False),
        (_try_out(canary=1, attempts=[{"address": "10.0.0.1:443", "connected": True}]), TryOut.NOT_ISOLATED, False),
        (_try_out(attempts=[]), TryOut.NOT_ISOLATED, False),  # it did not try what it was to try
        (_try_out(canary=None), TryOut.WAITING, False),  # ready without a proof is not ready
    ],
)
def test_what_a_try_out_shows(raw: Object, state: TryOut, ready: bool) -> None:
    seen = look_at(raw, ["10.0.0.1:443"])
    assert (seen.state, seen.ready) == (state, ready), seen.message


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0, False, 0), (3, True, 0), (8, True, 0)], (8, TryOut.READY)),
        ([(0, True, 0), (2, False, 1), (4, True, 1), (9, True, 1)], (9, TryOut.READY)),
        # It crashes whenever it has just started.
        ([(0, True, 0), (4, True, 1), (8, True, 2), (30, False, 6), (36, False, 7)], (36, TryOut.FAILED)),
        ([(0, False, 0), (29, True, 0), (34, True, 0)], (34, TryOut.READY)),
        ([(0, False, 0), (30, False, 0), (31, True, 0), (37, True, 0)], (37, TryOut.FAILED)),
    ],
)
def test_when_a_try_out_is_proven(looks: list[tuple[int, bool, int]], expected: tuple[int, TryOut]) -> None:
    watch = TryOutWatch(T0, timedelta(seconds=30))
    for at, ready, restarts in looks:
        seen, now = TryOutLook(TryOut.WAITING, "", ready=ready, restarts=restarts), T0 + timedelta(seconds=at)
        watch = watch.seen(seen, now)
        conclusion = watch.conclusion(seen, now)
        assert conclusion is (expected[1] if at == expected[0] else TryOut.WAITING), at
