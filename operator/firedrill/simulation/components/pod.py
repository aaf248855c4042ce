"""What the components have in common: a Service, a ConfigMap, a StatefulSet of one hardened pod."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firedrill.simulation.labels import Object, container_security, pod_security

SETTINGS_DIGEST = "firedrill.dev/settings-digest"


@dataclass(frozen=True)
class Component:
    """A component's name, what its pod runs and the labels of all its objects."""

    name: str
    image: str
    labels: Mapping[str, str]

    @property
    def selector(self) -> dict[str, str]:
        """What its Service and its StatefulSet know its pod by."""
        return {"app": self.name}

    def metadata(self, suffix: str = "") -> Object:
        """The metadata of one of its objects."""
        return {
            "name": self.name + suffix,
            "labels": {**self.labels, **self.selector},
        }

    def config_map(self, files: Mapping[str, str]) -> Object:
        """Its settings, by file name."""
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata("-settings"), "data": dict(files)}

    def service(self, port_name: str, port: int) -> Object:
        """Its Service, with one port; only a ready pod is behind it."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(),
            "spec": {
                "selector": self.selector,
                "ports": [{"name": port_name, "port": port, "targetPort": port_name}],
            },
        }


@dataclass(frozen=True)
class Resources:
    """What a container is promised and what ends it: CPU as Kubernetes writes it, memory in MiB."""

    cpu: str
    memory: int
    memory_limit: int

    def render(self) -> Object:
        """As a container's `resources`; no CPU limit, as throttling would be a fault that nobody asked for."""
        return {
            "requests": {"cpu": self.cpu, "memory": f"{self.memory}Mi"},
            "limits": {"memory": f"{self.memory_limit}Mi"},
        }


@dataclass(frozen=True)
class Volume:
    """A volume of the pod and where its containers see it; `only` mounts one file of it."""

    name: str
    path: str
    source: Object
    read_only: bool = True
    only: str = ""

    def mount(self) -> Object:
        """As a container's `volumeMounts` has it."""
        mount: Object = {"name": self.name, "mountPath": self.path}
        if self.read_only:
            mount["readOnly"] = True
        if self.only:
            mount["subPath"] = self.only
        return mount


@dataclass(frozen=True)
class Pod:
    """The pod of a component: its main container, and what prepares its data before."""

    command: Sequence[str]
    port_name: str
    port: int
    resources: Resources
    startup: Object
    readiness: Object
    prepare: Sequence[str] = ()
    prepare_env: Sequence[Object] = ()
    pre_stop: Sequence[str] = ()
    grace: int = 15
    volumes: Sequence[Volume] = ()
    env: Sequence[Object] = ()
    service_account: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def settings_volume(component: Component, path: str, name: str = "settings", only: str = "") -> Volume:
    """The component's ConfigMap, or one file of it, at a path."""
    return Volume(name, path, {"configMap": {"name": f"{component.name}-settings"}}, only=only)


def scratch(name: str, path: str, size: str) -> Volume:
    """An empty folder that is gone with the pod; `size` is its limit, as Kubernetes writes it."""
    return Volume(name, path, {"emptyDir": {"sizeLimit": size}}, read_only=False)


def exec_probe(command: Sequence[str], *, period: int, timeout: int, failures: int) -> Object:
    """A probe that runs a command; times in seconds."""
    return {
        "exec": {"command": list(command)},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def stateful_set(component: Component, pod: Pod) -> Object:
    """One instance, replaced only when the one before has ended, so that two never hold the same name.

    A change of `pod.settings` makes a new pod; settings that are read anew while it runs do not belong there.
    """
    annotations = {SETTINGS_DIGEST: _digest(pod.settings)} if pod.settings else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": component.metadata(),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "serviceName": component.name,
            # In order, a controller waits for a broken pod for ever, instead of replacing it by a mended one.
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": component.selector},
            "template": {
                "metadata": {"labels": {**component.labels, **component.selector}, "annotations": annotations},
                "spec": _pod_spec(component, pod),
            },
        },
    }


def _pod_spec(component: Component, pod: Pod) -> Object:
    main = _container(component, pod, component.name, pod.command, pod.env)
    main["ports"] = [{"name": pod.port_name, "containerPort": pod.port}]
    main["startupProbe"] = pod.startup
    main["readinessProbe"] = pod.readiness
    if pod.pre_stop:
        main["lifecycle"] = {"preStop": {"exec": {"command": list(pod.pre_stop)}}}
    sources = {volume.name: {"name": volume.name, **volume.source} for volume in pod.volumes}
    spec: Object = {
        "automountServiceAccountToken": bool(pod.service_account),
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": pod.grace,
        "securityContext": pod_security(),
        "containers": [main],
        "volumes": list(sources.values()),
    }
    if pod.prepare:
        spec["initContainers"] = [_container(component, pod, "prepare", pod.prepare, pod.prepare_env)]
    if pod.service_account:
        spec["serviceAccountName"] = pod.service_account
    return spec


def _container(component: Component, pod: Pod, name: str, command: Sequence[str], env: Sequence[Object]) -> Object:
    container: Object = {
        "name": name,
        "image": component.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "volumeMounts": [volume.mount() for volume in pod.volumes],
        "resources": pod.resources.render(),
        "securityContext": container_security(),
    }
    if env:
        container["env"] = list(env)
    return container


def _digest(files: Mapping[str, str]) -> str:
    text = "\0".join(f"{name}\0{files[name]}" for name in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
