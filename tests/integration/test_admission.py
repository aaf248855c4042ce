"""Who may ask for faults, at a real API server: the webhook as a process of its own, with the rights of the chart."""

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from firedrill.clusters import paths
from support import chart
from support.builders import chaos, drift
from support.eventually import eventually
from support.kube import Cluster, HttpError, Object, where
from support.world import HUB_NAMESPACE, World, kubeconfig_of

pytestmark = pytest.mark.integration

STAMP = "firedrill.dev/requested-by"
CONFIGURATION = paths.path(
    "admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", name="firedrill-requests"
)
SECRET = paths.path("v1", "secrets", HUB_NAMESPACE, "firedrill-webhook")


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(cluster: Cluster) -> str:
    """The address of this machine, as the API server can reach it."""
    server = urlsplit(cluster.access.server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((server.hostname, server.port or 443))
        return str(probe.getsockname()[0])


@pytest.fixture(scope="module")
def webhook(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The webhook of the chart; what leads to its Service leads to a process here. Its port."""
    host, port, folder = _address(world.hub), _port(), tmp_path_factory.mktemp("webhook")
    for body in chart.rendered(HUB_NAMESPACE, webhook__enabled="true"):
        if body["metadata"]["name"] not in ("firedrill-webhook", "firedrill-request", "firedrill-requests"):
            continue
        if body["kind"] == "PodDisruptionBudget":
            continue
        for hook in body.get("webhooks", ()):
            hook["clientConfig"] = {"url": f"https://{host}:{port}/review"}
        if body["kind"] != "MutatingWebhookConfiguration":
            world.hub.apply(body)
        else:
            world.hub.create(body)
    kubeconfig = folder / "kubeconfig"
    token = world.hub.token(HUB_NAMESPACE, "firedrill-webhook")
    kubeconfig.write_text(kubeconfig_of(world.proxy.url, token))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_SERVICE")},
        "KUBECONFIG": str(kubeconfig),
        "POD_NAMESPACE": HUB_NAMESPACE,
        "FIREDRILL_WEBHOOK_HOST": host,
        "FIREDRILL_PORT": str(port),
    }
    log = folder / "webhook.log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "firedrill", "webhook"], env=environment, stderr=file)
    try:
        eventually(lambda: _ready(port), "the webhook is trusted", within=60, also=log.read_text)
        yield port
    finally:
        world.hub.delete(CONFIGURATION)
        world.hub.delete(SECRET)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"https://localhost:{port}/readyz", verify=False, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


class Team:
    """A namespace of the hub, and people who may edit everything in it."""

    def __init__(self, world: World) -> None:
        self.hub = world.hub
        self.namespace = world.namespace()
        self._bind("RoleBinding", "editors", "firedrill-edit", ["ann", "bob", "eve"])

    def _bind(self, kind: str, name: str, role: str, users: list[str], groups: list[str] | None = None) -> None:
        api = "rbac.authorization.k8s.io"
        subjects = [{"kind": "User", "apiGroup": api, "name": user} for user in users]
        subjects += [{"kind": "Group", "apiGroup": api, "name": group} for group in groups or ()]
        metadata = {"name": name, **({"namespace": self.namespace} if kind == "RoleBinding" else {})}
        self.hub.apply(
            {
                "apiVersion": f"{api}/v1",
                "kind": kind,
                "metadata": metadata,
                "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
                "subjects": subjects,
            }
        )

    def allow(self, *users: str, clusters: list[str], groups: list[str] | None = None) -> None:
        """Let users inject into targets; without names of targets, into all."""
        role = f"inject-{uuid.uuid4().hex[:8]}"
        rule: Object = {"apiGroups": ["firedrill.dev"], "resources": ["targetclusters"], "verbs": ["inject"]}
        if clusters:
            rule["resourceNames"] = clusters
        self.hub.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": role},
                "rules": [rule],
            }
        )
        self._bind("ClusterRoleBinding", role, role, list(users), groups)

    def ask(self, user: str, method: str, body: Object, change: Object | None = None, *groups: str) -> Object:
        """A request in the name of a user, as `kubectl --as` makes it."""
        way = self.hub.access
        headers = [*way.headers.items(), ("Impersonate-User", user)]
        headers += [("Impersonate-Group", each) for each in ("system:authenticated", *groups)]
        path = where(body) if method == "PATCH" else where(body).rpartition("/")[0]
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        content = json.dumps(change if method == "PATCH" else body)
        with httpx.Client(base_url=way.server, verify=way.tls, timeout=30, trust_env=False) as http:
            answer = http.request(method, path, content=content, headers=[*headers, ("Content-Type", kind)])
        parsed: Object = answer.json()
        if answer.status_code >= 400:
            raise HttpError(answer.status_code, parsed.get("reason", ""), parsed.get("message", ""))
        return parsed

    def experiment(self, *targets: str, **fields: Any) -> Object:
        """An experiment that is not created yet, and would wait if it were."""
        made = chaos(f"kill-{uuid.uuid4().hex[:6]}", *targets, **{"onCreate": "Hold", **fields})
        return {**made, "metadata": {**made["metadata"], "namespace": self.namespace}}


@pytest.fixture(scope="module")
def team(world: World, webhook: int) -> Team:
    """Ann may inject into finance; a group into everything; Bob and Eve into nothing."""
    made = Team(world)
    made.allow("ann", clusters=["finance"])
    made.allow(clusters=[], groups=["sre"])

    told: list[str] = []

    def settled() -> bool:
        try:
            made.ask("ann", "POST", {**made.experiment(), "metadata": {"name": "first", "namespace": made.namespace}})
        except HttpError as error:
            told.append(error.message)
            return error.status == 409
        return True

    eventually(settled, "rights are in force", within=30, also=lambda: told[-1:])
    return made


def stamped(body: Object) -> bool:
    return STAMP in body["metadata"].get("annotations", {})


def who(body: Object) -> str:
    return str(json.loads(body["metadata"]["annotations"][STAMP])["user"])


def clusters(body: Object) -> list[str]:
    return list(json.loads(body["metadata"]["annotations"][STAMP])["clusters"])


def refused(call: Callable[[], Object]) -> str:
    with pytest.raises(HttpError) as caught:
        call()
    assert caught.value.status == 403
    return caught.value.message


def test_who_has_the_verb_is_stamped(team: Team) -> None:
    made = team.ask("ann", "POST", team.experiment("finance"))
    assert who(made) == "ann"
    assert clusters(made) == ["finance"]


def test_who_has_it_not_is_told_the_target_and_the_verb(team: Team) -> None:
    message = refused(lambda: team.ask("bob", "POST", team.experiment("finance")))
    assert "user bob may not inject on TargetCluster finance" in message
    message = refused(lambda: team.ask("ann", "POST", team.experiment("finance", "iot")))
    assert "user ann may not inject on TargetCluster iot" in message


def test_a_group_counts(team: Team) -> None:
    made = team.ask("eve", "POST", team.experiment("iot"), None, "sre")
    assert who(made) == "eve"


def test_labels_take_the_verb_on_every_target_that_they_match(team: Team) -> None:
    selected = {"clusters": {"matchLabels": {"industry": "finance"}}}
    assert clusters(team.ask("ann", "POST", team.experiment(**selected))) == ["finance"]
    assert clusters(team.ask("eve", "POST", team.experiment(**selected), None, "sre")) == ["*"]
    other = {"clusters": {"matchLabels": {"industry": "iot"}}}
    assert "TargetCluster iot" in refused(lambda: team.ask("ann", "POST", team.experiment(**other)))


def test_a_stamp_can_not_be_forged(team: Team) -> None:
    forged = team.experiment("finance")
    forged["metadata"]["annotations"] = {STAMP: '{"user": "root", "clusters": ["*"], "seal": "00"}'}
    made = team.ask("ann", "POST", forged)
    assert who(made) == "ann"
    stamp = made["metadata"]["annotations"][STAMP]
    changed = team.ask("bob", "PATCH", forged, {"metadata": {"annotations": {STAMP: "bob", "team": "x"}}})
    assert changed["metadata"]["annotations"] == {STAMP: stamp, "team": "x"}
    taken = team.ask("bob", "PATCH", forged, {"metadata": {"annotations": {STAMP: None}}})
    assert taken["metadata"]["annotations"][STAMP] == stamp


def test_what_asks_for_nothing_new_takes_no_verb_and_keeps_the_stamp(team: Team) -> None:
    body = team.experiment("finance")
    stamp = team.ask("ann", "POST", body)["metadata"]["annotations"][STAMP]
    labelled = team.ask("bob", "PATCH", body, {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["annotations"][STAMP] == stamp


def test_a_change_or_a_request_of_another_is_stamped_anew_or_refused(team: Team) -> None:
    body = team.experiment("finance")
    team.ask("ann", "POST", body)
    later = {"metadata": {"annotations": {"firedrill.dev/run-at": "now"}}}
    assert "user bob may not inject" in refused(lambda: team.ask("bob", "PATCH", body, later))
    assert "user bob may not inject" in refused(lambda: team.ask("bob", "PATCH", body, {"spec": {"duration": "2s"}}))
    assert who(team.ask("eve", "PATCH", body, later, "sre")) == "eve"
    assert who(team.ask("ann", "PATCH", body, {"spec": {"duration": "2s"}})) == "ann"


def test_whoever_names_the_rollout_is_who_asks_for_the_runs(team: Team) -> None:
    """It takes the verb, as a schedule does: nobody is there to be asked when the rollout comes."""
    asked = {"kind": "Deployment", "namespace": "payments", "name": "gateway"}
    body = team.experiment("finance", onRollout=asked)
    assert "user bob may not inject" in refused(lambda: team.ask("bob", "POST", body))
    assert who(team.ask("ann", "POST", body)) == "ann"
    other = {"spec": {"onRollout": {"name": "ledger"}}}
    assert "user bob may not inject" in refused(lambda: team.ask("bob", "PATCH", body, other))
    assert who(team.ask("eve", "PATCH", body, other, "sre")) == "eve"


def test_kinds_that_change_nothing_are_not_asked_about(team: Team) -> None:
    body = drift(f"drift-{uuid.uuid4().hex[:6]}", "iot")
    made = team.ask("bob", "POST", {**body, "metadata": {**body["metadata"], "namespace": team.namespace}})
    assert not stamped(made)


def test_the_operator_reads_the_stamp(world: World, team: Team) -> None:
    """What was asked for before admission came is not run where the target wants to know who asks."""
    found = world.hub.get(paths.firedrill("targetclusters", name="finance"))
    policy = {**found["spec"]["policy"], "requireRequester": True}
    world.hub.merge(paths.firedrill("targetclusters", name="finance"), {"spec": {"policy": policy}})
    try:
        with world.running():
            world.until_reachable()
            body = team.experiment("finance")
            del body["spec"]["onCreate"]
            subject = world.subject(body, team.namespace)
            subject.uid = team.ask("ann", "POST", body)["metadata"]["uid"]
            status = subject.until_run()
            assert status["verdict"] == "Passed", status
            assert status["lastRun"]["requestedBy"] == "ann"
            world.hub.delete(CONFIGURATION)
            # An API server goes on asking until its watch has told it that nobody wants to be asked.
            eventually(lambda: not stamped(team.ask("ann", "POST", team.experiment("finance"))), "nobody stamps")
            late = world.subject(team.experiment("finance", onCreate="Run"), team.namespace).create()
            status = late.until_run()
            assert (status["verdict"], status["clusters"][0]["reason"]) == ("Inconclusive", "NotPermitted")
            assert "requireRequester" in status["message"]
    finally:
        # Null takes the field away: what is applied does not name it.
        asked = {"spec": {"policy": {"requireRequester": None}}}
        world.hub.merge(paths.firedrill("targetclusters", name="finance"), asked)
        world.reset_target("finance")
