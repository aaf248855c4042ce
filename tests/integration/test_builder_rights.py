"""The identity that builds Simulations: what the chart gives it, and that it writes in simulations alone."""

from collections.abc import Iterator

import httpx
import pytest

from firedrill.clusters import paths
from firedrill.runner.simulating.applying import COLLECTIONS, NOT_PRUNED
from firedrill.runner.simulating.place import LABEL_SIMULATION
from firedrill.simulation import faked_nodes
from support import chart
from support.eventually import eventually
from support.kube import Cluster, Object, collection
from support.world import HUB_NAMESPACE, World

_WRITES = {"create", "update", "patch", "delete"}


@pytest.fixture(scope="module")
def rendered() -> list[Object]:
    """What the chart makes of a target with simulations."""
    return chart.remote("runners")


def named(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def verbs(rendered: list[Object]) -> dict[tuple[str, str], set[str]]:
    """Verbs of the builder by group and resource."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in named(rendered, "ClusterRole", "firedrill-simulator")["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def test_secrets_are_written_and_never_read(rendered: list[Object]) -> None:
    assert verbs(rendered)["", "secrets"] == {"create", "patch"}


def test_who_builds_may_hand_on_the_rights_of_kwok_and_no_other_cluster_role(
    rendered: list[Object],
) -> None:
    roles = {each["metadata"]["name"]: each for each in rendered if each["kind"] == "ClusterRole"}
    given = {faked_nodes.binding("bank-ns")["roleRef"]["name"]}
    bindings = [each for each in faked_nodes.controller("bank", "bank-ns", "i") if each["kind"] == "RoleBinding"]
    given |= {each["roleRef"]["name"] for each in bindings}
    assert given <= roles.keys()
    binds = [rule for rule in roles["firedrill-simulator"]["rules"] if "bind" in rule["verbs"]]
    assert [set(rule["resourceNames"]) for rule in binds] == [given]
    for name in given:
        written = [
            rule for rule in roles[name]["rules"] if {"patch", "update", "create", "delete"} & set(rule["verbs"])
        ]
        assert {resource for rule in written for resource in rule["resources"]} <= {"nodes/status", "pods/status"}


def test_every_kind_of_a_simulation_can_be_made_and_pruned(rendered: list[Object]) -> None:
    has = verbs(rendered)
    for kind, (api_version, plural) in COLLECTIONS.items():
        needs = {"create", "patch"} | (set() if kind in NOT_PRUNED else {"list", "delete"})
        assert needs <= has[api_version.rpartition("/")[0], plural], kind


def test_all_that_the_builder_may_write_is_looked_at_by_the_policy(rendered: list[Object]) -> None:
    policy = named(rendered, "ValidatingAdmissionPolicy", "firedrill-simulation")["spec"]
    assert policy["failurePolicy"] == "Fail"
    seen = {
        (group, resource)
        for rule in policy["matchConstraints"]["resourceRules"]
        if {"CREATE", "UPDATE", "DELETE"} <= set(rule["operations"])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    written = {where for where, allowed in verbs(rendered).items() if allowed & _WRITES}
    # Extended resources are put on nodes of others as well.
    assert written - seen == {("", "nodes/status")}
    binding = named(rendered, "ValidatingAdmissionPolicyBinding", "firedrill-simulation")["spec"]
    assert binding == {"policyName": "firedrill-simulation", "validationActions": ["Deny"]}


class Builder:
    """Requests with the builder's own token, all of them dry runs."""

    def __init__(self, cluster: Cluster, simulation: str, other: str) -> None:
        token = cluster.token(HUB_NAMESPACE, "firedrill-simulator")
        way = cluster.access
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=way.server, verify=way.tls_anonymous, headers=headers, trust_env=False)
        self.namespaces = {"simulation": simulation, "other": other, "runners": HUB_NAMESPACE, "system": "kube-system"}

    def create(self, body: Object, place: str = "") -> int:
        """The code of the answer to a creation in one of the namespaces, or in none."""
        metadata = {**body["metadata"], **({"namespace": self.namespaces[place]} if place else {})}
        made = {**body, "metadata": metadata}
        answer = self.http.post(collection(made), json=made, params={"dryRun": "All"})
        return answer.status_code

    def delete(self, path: str) -> int:
        """The code of the answer to a deletion."""
        return self.http.delete(path, params={"dryRun": "All"}).status_code


@pytest.fixture(scope="module")
def builder(world: World) -> Iterator[Builder]:
    """The builder of the hub, with a namespace of a simulation and one of somebody else."""
    simulation, other = world.namespace(), world.namespace()
    world.hub.namespace(simulation, {LABEL_SIMULATION: "bank-uid"})
    for name in (simulation, other):
        world.hub.apply({**made("ConfigMap"), "metadata": {"name": "kept", "namespace": name}})
    found = Builder(world.hub, simulation, other)
    eventually(lambda: found.create(made("ConfigMap"), "other") == 403, "the policy is in force")
    yield found
    found.http.close()


def made(kind: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "made", "labels": labels}}


def binding(role: str, **labels: str) -> Object:
    group = "rbac.authorization.k8s.io"
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": role}
    metadata = {"name": "made", "labels": labels}
    return {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": reference}


def deployment(account: str) -> Object:
    labels = {"app": "watcher"}
    pod = {"serviceAccountName": account, "containers": [{"name": "a", "image": "a"}]}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "watcher"}, "spec": spec}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("place", "body", "code"),
    [
        ("simulation", made("ConfigMap"), 201),
        ("simulation", made("Secret"), 201),
        ("simulation", deployment("default"), 201),
        ("other", made("ConfigMap"), 403),
        ("other", deployment("default"), 403),
        ("system", made("Secret"), 403),
        ("runners", made("ConfigMap"), 201),
        ("runners", made("Secret"), 403),
        ("runners", deployment("firedrill-conductor"), 201),
        ("runners", deployment("firedrill-guardian"), 403),
        ("", made("Namespace", **{LABEL_SIMULATION: "bank-uid"}), 201),
        ("", made("Namespace"), 403),
        ("", made("Node", **{LABEL_SIMULATION: "bank-uid"}), 201),
        ("", made("Node"), 403),
        ("", binding("firedrill-faked-nodes", **{LABEL_SIMULATION: "bank-uid"}), 201),
        ("", binding("firedrill-faked-nodes"), 403),
        ("", binding("cluster-admin", **{LABEL_SIMULATION: "bank-uid"}), 403),
    ],
)
def test_the_builder_makes_things_in_simulations_alone(builder: Builder, place: str, body: Object, code: int) -> None:
    assert builder.create(body, place) == code


@pytest.mark.integration
@pytest.mark.parametrize(("place", "code"), [("simulation", 200), ("other", 403)])
def test_the_builder_deletes_in_simulations_alone(builder: Builder, place: str, code: int) -> None:
    assert builder.delete(paths.configmaps(builder.namespaces[place], "kept")) == code
    assert builder.delete(paths.namespaces(builder.namespaces[place])) == code


@pytest.mark.integration
def test_the_builder_touches_no_node_of_others(builder: Builder, world: World) -> None:
    world.hub.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "theirs"}})
    where = paths.path("v1", "nodes", name="theirs")
    labelled = {"metadata": {"labels": {LABEL_SIMULATION: "bank-uid"}}}
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = builder.http.patch(where, json=labelled, headers=merge, params={"dryRun": "All"})
    assert answer.status_code == 403
    assert builder.delete(where) == 403
    world.hub.delete(where)


@pytest.mark.integration
def test_the_builder_reads_no_secrets(builder: Builder) -> None:
    for namespace in (*builder.namespaces.values(), None):
        assert builder.http.get(paths.path("v1", "secrets", namespace)).status_code == 403
