"""The world of the integration tests: a hub, targets, fault proxies before them, stand-ins for their pods."""

import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from firedrill.api.kinds import RUN_KINDS
from firedrill.api.meta import ANNOTATION_RESOURCE, LABEL_MANAGED, LABEL_UID
from firedrill.clusters import paths
from support import builders, chart
from support.background import Background
from support.encoded import encoded
from support.eventually import eventually
from support.faultproxy import FaultProxy, Write
from support.kube import Cluster, HttpError, Object, access
from support.operator_process import OperatorProcess, Settings
from support.stand_in import FAULTS, StandIn, Tally
from support.subject import Subject

HUB_NAMESPACE = "firedrill-system"
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True)
class Place:
    """A TargetCluster of this world: two of them may be in one cluster, in namespaces of their own."""

    name: str
    cluster: Cluster
    namespace: str
    proxy: FaultProxy
    stand_in: StandIn


class World:
    """Everything but the operator, which tests start and stop."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.folder = folder
        self.background = Background()
        self.hub = Cluster("hub", access(kubeconfig, "firedrill-hub"))
        self.finance = Cluster("finance", access(kubeconfig, "firedrill-finance"))
        self._install(self.hub, HUB_NAMESPACE, chart.hub(HUB_NAMESPACE))
        self._targets_before = self._target_names()
        self._namespaces: set[str] = set()
        self.proxy = FaultProxy(self.background, self.hub)
        self.places: dict[str, Place] = {}
        self.kubeconfig = self._operator_kubeconfig()
        self.operators: list[OperatorProcess] = []
        self._numbers = itertools.count(1)
        self.place("finance", "firedrill")
        self.place("iot", "firedrill-iot")

    def close(self) -> None:
        """End all that goes on."""
        for operator in self.operators:
            operator.stop()
        self._tidy()
        for place in self.places.values():
            place.stand_in.close()
            place.proxy.close()
        self.proxy.close()
        self.background.close()

    # -- the operator ----------------------------------------------------------------------------------------------

    def operator(self, identity: str = "operator-0", **extra: str) -> OperatorProcess:
        """An operator that is not started yet."""
        log = self.folder / f"operator-{next(self._numbers):03d}-{identity}.log"
        made = OperatorProcess(Settings(self.kubeconfig, HUB_NAMESPACE, log, identity, extra))
        self.operators.append(made)
        return made

    @contextmanager
    def running(self, identity: str = "operator-0", **extra: str) -> Iterator[OperatorProcess]:
        """An operator that leads, and is stopped in the end."""
        operator = self.operator(identity, **extra)
        try:
            yield operator.start().wait_ready()
        finally:
            operator.stop()

    # -- targets ---------------------------------------------------------------------------------------------------

    def place(self, name: str = "", namespace: str = "") -> Place:
        """One more target, with a proxy and a stand-in of its own."""
        name = name or f"target-{next(self._numbers)}"
        namespace = namespace or f"firedrill-{name}"
        self._install(self.finance, namespace, chart.remote(namespace))
        made = self.places[name] = Place(
            name,
            self.finance,
            namespace,
            FaultProxy(self.background, self.finance, name),
            StandIn(self.background, self.finance, namespace, name),
        )
        self.reset_target(name)
        return made

    def reset_target(self, name: str) -> None:
        """Bring a TargetCluster and its Secret to what they were in the beginning."""
        self.set_credentials(name)
        self.hub.apply(builders.target(name, secret=name, namespace=self.places[name].namespace))

    def set_credentials(self, name: str, *, of: str = "", token: str = "", argo: bool | None = None) -> None:
        """Write the Secret of a target: its own credentials, or those of another (``of``), or of another token."""
        place = self.places[of or name]
        token = token or place.cluster.token(place.namespace, "firedrill-operator")
        argo = (name == "iot") if argo is None else argo
        if argo:
            config = {"bearerToken": token, "tlsClientConfig": {"insecure": True}}
            data = {"server": place.proxy.url, "config": json.dumps(config)}
        else:
            data = {"kubeconfig": kubeconfig_of(place.proxy.url, token)}
        self.set_secret(name, data)

    def set_secret(self, name: str, data: dict[str, str]) -> None:
        """Write the Secret of a target, whatever it holds."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": HUB_NAMESPACE},
            "data": encoded(data),
        }
        # Not by apply: keys of the other form must go.
        where = paths.path("v1", "secrets", HUB_NAMESPACE, name)
        if self.hub.find(where):
            self.hub.replace(where, secret)
        else:
            self.hub.create(secret)

    def until_reachable(self, *names: str, reachable: bool = True, within: float = 60) -> None:
        """Wait until the operator says so of targets."""
        for name in names or ("finance", "iot"):
            eventually(
                lambda name=name: self.reachable(name) == str(reachable),  # type: ignore[misc]
                f"target {name} is {'' if reachable else 'not '}reachable",
                within=within,
            )

    def reachable(self, name: str) -> str:
        """Status of the condition Reachable."""
        found = self.hub.get(paths.firedrill("targetclusters", name=name))
        conditions = (found.get("status") or {}).get("conditions") or []
        return next((str(c["status"]) for c in conditions if c["type"] == "Reachable"), "")

    # -- resources -------------------------------------------------------------------------------------------------

    def namespace(self) -> str:
        """A fresh namespace on the hub."""
        made = self.hub.namespace(f"team-{uuid.uuid4().hex[:8]}")
        self._namespaces.add(made)
        return made

    def subject(self, body: Object, namespace: str = "") -> Subject:
        """A resource that is not created yet."""
        metadata = {**body["metadata"], "namespace": namespace or self.namespace()}
        subject = Subject(self.hub, {**body, "metadata": metadata})
        subject.also = lambda: "\n".join(error for place in self.places.values() for error in place.stand_in.errors)
        return subject

    def tallies(self, subject: Subject, target: str = "finance") -> list[Tally]:
        """What was carried out of a resource's runs in a target."""
        return self.places[target].stand_in.tallies(subject.key)

    def markers(self, subject: Subject) -> list[str]:
        """Faults of a resource that are on, in any target."""
        found = self.finance.items(paths.configmaps(FAULTS))
        return [
            o["metadata"]["name"] for o in found if (o["metadata"].get("annotations") or {}).get("of") == subject.key
        ]

    def jobs(self, subject: Subject, role: str, target: str = "finance") -> list[str]:
        """Names of a resource's Jobs in a target."""
        place = self.places[target]
        found = subject.objects(place.cluster, place.namespace, "jobs", role)
        return [job["metadata"]["name"] for job in found]

    def leftovers(self, subject: Subject) -> list[str]:
        """All that a resource has in targets, faults included."""
        found = self.markers(subject)
        for api, plural in (("batch/v1", "jobs"), ("v1", "configmaps")):
            for item in self.finance.items(paths.path(api, plural), f"{LABEL_MANAGED}=true"):
                meta = item["metadata"]
                mine = (meta.get("annotations") or {}).get(ANNOTATION_RESOURCE) == subject.key
                if mine and (not subject.uid or meta["labels"][LABEL_UID] == subject.uid):
                    found.append(f"{meta['namespace']}: {plural} {meta['name']}")
        return found

    def proxies(self) -> list[FaultProxy]:
        """All proxies."""
        return [self.proxy, *(place.proxy for place in self.places.values())]

    def writes(self, owner: str = "", since: float = 0.0) -> list[Write]:
        """All that the operator wrote, anywhere."""
        found = [write for proxy in self.proxies() for write in proxy.written(owner, since)]
        return sorted(found, key=lambda write: write.at)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _tidy(self) -> None:
        """Take away what was made on the hub; the clusters may be used again."""
        for name in self._target_names() - self._targets_before:
            self.hub.delete(paths.firedrill("targetclusters", name=name))
        for kind in RUN_KINDS.values():
            for item in self.hub.items(paths.firedrill(kind.plural)):
                meta = item["metadata"]
                if meta["namespace"] in self._namespaces:
                    where = paths.firedrill(kind.plural, meta["namespace"], meta["name"])
                    self.hub.merge(where, {"metadata": {"finalizers": None}})
                    self.hub.delete(where)
        for namespace in self._namespaces:
            self.hub.delete(paths.namespaces(namespace))

    def _target_names(self) -> set[str]:
        return {item["metadata"]["name"] for item in self.hub.items(paths.firedrill("targetclusters"))}

    def _install(self, cluster: Cluster, namespace: str, objects: list[Object]) -> None:
        cluster.namespace(namespace, _RESTRICTED)
        for body in objects:
            body["metadata"].setdefault("labels", {})
            if body["kind"] in ("ClusterRole", "ClusterRoleBinding", "PriorityClass") and cluster is self.finance:
                body = _renamed(body, namespace)
            cluster.apply(body)
        for body in objects:
            if body["kind"] == "CustomResourceDefinition":
                eventually(
                    lambda body=body: _served(cluster, body),  # type: ignore[misc]
                    f"{body['metadata']['name']} is served",
                )

    def _operator_kubeconfig(self) -> Path:
        token = self.hub.token(HUB_NAMESPACE, "firedrill-operator")
        path = self.folder / "operator.kubeconfig"
        path.write_text(kubeconfig_of(self.proxy.url, token))
        return path


def _renamed(body: Object, namespace: str) -> Object:
    """Two releases in one cluster would fight for what is cluster-wide; a real cluster has one."""
    if body["kind"] == "PriorityClass":
        return body
    renamed = {**body, "metadata": {**body["metadata"], "name": f"{body['metadata']['name']}-{namespace}"}}
    if "roleRef" in renamed:
        renamed["roleRef"] = {**renamed["roleRef"], "name": f"{renamed['roleRef']['name']}-{namespace}"}
    return renamed


def _served(cluster: Cluster, definition: Mapping[str, object]) -> bool:
    spec = definition["spec"]
    assert isinstance(spec, dict)
    try:
        cluster.get(paths.path("firedrill.dev/v1alpha1", spec["names"]["plural"]))
    except HttpError:
        return False
    return True


def kubeconfig_of(server: str, token: str) -> str:
    """A kubeconfig with one way to one server."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return str(yaml.safe_dump(document))
