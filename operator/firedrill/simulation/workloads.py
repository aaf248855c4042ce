"""Kubernetes objects of services, load and flags: each a Deployment of the simulator program."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from firedrill.api.flag import FLAGS_CONFIGMAP, FLAGS_KEY, Flag
from firedrill.api.servicegraph import Autoscaling, Service
from firedrill.simulation.labels import (
    HTTP_PORT,
    Object,
    container_security,
    labels,
    metadata,
    pod_security,
)
from firedrill.simulation.multiplexing import MULTIPLEXER, SHARED_PORT, on_faked_node
from firedrill.simulation.roles import ports_of

_SERVICE_RESOURCES = {"requests": {"cpu": "3m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}
_FOLLOW = ["get", "list", "watch"]
#: In MiB, and for each service that it serves for.
_MULTIPLEXER_MEMORY, _MEMORY_OF_FAKED = 64, 0.75


class Workloads:
    """Renders workloads of one simulation."""

    def __init__(self, simulation: str, namespace: str, image: str, password_secret: str = "") -> None:
        self._simulation = simulation
        self._namespace = namespace
        self._image = image
        self._password_secret = password_secret

    def service(self, service: Service, config: str, *, database: bool) -> list[Object]:
        """Deployment and Service, and the autoscaler where one is asked for."""
        environment, volumes = self._needs(database=database, settings=service.settings)
        resources = service.resources.model_dump(exclude_defaults=True) or _SERVICE_RESOURCES
        deployment = self._deployment(
            service.name,
            "service",
            config,
            resources=resources,
            # With an autoscaler the number of replicas is its own.
            replicas=None if service.autoscaling else service.replicas,
            environment=environment,
            volumes=volumes,
            ports=ports_of(service),
            more=service.labels,
            zone=service.zone,
        )
        made = [deployment, self._service(service.name, ports_of(service), service.labels)]
        if service.autoscaling:
            made.append(self._autoscaler(service.name, service.autoscaling))
        return made

    def _needs(self, *, database: bool, settings: bool) -> tuple[list[Object], dict[str, Object]]:
        """Environment and volumes of what asks databases and reads the settings."""
        reference = {"name": self._password_secret, "key": "password"}
        environment: list[Object] = [{"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": reference}}]
        volumes = {"settings": {"mountPath": "/etc/settings", "volume": {"configMap": {"name": "settings"}}}}
        return environment if database else [], volumes if settings else {}

    def faked_service(self, service: Service, config: str, port: int) -> list[Object]:
        """Deployment of pods that are faked, and the Service that leads to the multiplexer's port for them."""
        made = self._deployment(
            service.name,
            "service",
            config,
            resources=service.resources.model_dump(exclude_defaults=True) or _SERVICE_RESOURCES,
            replicas=service.replicas,
            more=service.labels,
            zone=service.zone,
        )
        return [
            on_faked_node(made, port),
            self._service(service.name, (), service.labels, selected=MULTIPLEXER, target=port),
        ]

    def multiplexer(self, services: Sequence[Service], *, database: bool) -> list[Object]:
        """What serves for these services while any of their pods is up, and its right to see which are."""
        environment, volumes = self._needs(database=database, settings=any(each.settings for each in services))
        memory = _MULTIPLEXER_MEMORY + round(_MEMORY_OF_FAKED * len(services))
        config = {"name": MULTIPLEXER, "simulation": self._simulation, "flagsConfigMap": "flags"}
        server = self._deployment(
            MULTIPLEXER,
            "multiplex",
            json.dumps(config, sort_keys=True),
            resources={"requests": {"cpu": "100m", "memory": f"{memory // 2}Mi"}, "limits": {"memory": f"{memory}Mi"}},
            replicas=1,
            environment=[*environment, {"name": "GOMEMLIMIT", "value": f"{memory * 9 // 10}MiB"}],
            volumes=volumes,
            account=MULTIPLEXER,
            port_name=SHARED_PORT,
        )
        # Two at once would each count a part of the requests.
        server["spec"]["strategy"] = {"type": "Recreate"}
        flags = {"resources": ["configmaps"], "resourceNames": ["flags"]}
        rules = [{"apiGroups": [""], **each, "verbs": _FOLLOW} for each in ({"resources": ["pods"]}, flags)]
        return [*self._account(MULTIPLEXER, rules), server]

    def _account(self, name: str, rules: Sequence[Object]) -> list[Object]:
        """A service account with rights in the namespace."""
        meta = metadata(self._simulation, name, self._namespace)
        rbac = "rbac.authorization.k8s.io"
        return [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": list(rules)},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self._namespace}],
            },
        ]

    def load(self, config: str) -> list[Object]:
        """The load generator."""
        resources = {"requests": {"cpu": "20m", "memory": "24Mi"}, "limits": {"memory": "256Mi"}}
        return [self._deployment("load", "load", config, resources=resources, replicas=1)]

    def flags(self, flags: Sequence[Flag]) -> list[Object]:
        """The flags, the server that tells services of them, and its right to follow them."""
        found = [flag.model_dump(mode="json", by_alias=True) for flag in flags]
        server = self._deployment(
            "flags",
            "flags",
            json.dumps({"name": "flags", "simulation": self._simulation, "configMap": "flags"}, sort_keys=True),
            resources=_SERVICE_RESOURCES,
            replicas=1,
            account="flags",
            # Not called http: when flags change must not be seen in metrics that a diagnosis reads.
            port_name="flags",
        )
        rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["flags"]}
        return [
            self.config_map(FLAGS_CONFIGMAP, {FLAGS_KEY: json.dumps({"flags": found}, sort_keys=True)}),
            *self._account("flags", [{**rule, "verbs": _FOLLOW}]),
            server,
            self._service("flags", (), {}, port_name="flags"),
        ]

    def config_map(self, name: str, data: Mapping[str, str]) -> Object:
        """A ConfigMap of the simulation."""
        made = metadata(self._simulation, name, self._namespace)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": made, "data": dict(data)}

    def _service(
        self,
        name: str,
        ports: Sequence[int],
        more: Mapping[str, str],
        *,
        port_name: str = "http",
        selected: str = "",
        target: int | None = None,
    ) -> Object:
        listed: list[Object] = [{"name": port_name, "port": HTTP_PORT, "targetPort": target or port_name}]
        listed += [{"name": f"tcp-{port}", "port": port, "targetPort": port} for port in ports]
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(self._simulation, name, self._namespace, dict(more)),
            "spec": {"selector": {"app": selected or name}, "ports": listed},
        }

    def _autoscaler(self, name: str, wanted: Autoscaling) -> Object:
        target = {"type": "Utilization", "averageUtilization": wanted.cpu_percent}
        return {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata(self._simulation, name, self._namespace),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": wanted.min_replicas,
                "maxReplicas": wanted.max_replicas,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            },
        }

    def _deployment(
        self,
        name: str,
        command: str,
        config: str,
        *,
        resources: Mapping[str, Any],
        replicas: int | None,
        environment: Sequence[Object] = (),
        volumes: Mapping[str, Object] | None = None,
        ports: Sequence[int] = (),
        more: Mapping[str, str] | None = None,
        zone: str | None = None,
        account: str = "",
        port_name: str = "http",
    ) -> Object:
        volumes = volumes or {}
        container: Object = {
            "name": name,
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "args": [command],
            "env": [{"name": "SIM_CONFIG", "value": config}, *environment],
            "ports": [
                {"name": port_name, "containerPort": HTTP_PORT},
                *({"name": f"tcp-{port}", "containerPort": port} for port in ports),
            ],
            # With hundreds of pods on a node, probes are most of what an idle simulation costs.
            "readinessProbe": _probe("/readyz", port_name, 10),
            "livenessProbe": {**_probe("/healthz", port_name, 30), "failureThreshold": 4},
            "startupProbe": {**_probe("/healthz", port_name, 1), "failureThreshold": 120},
            "resources": dict(resources),
            "securityContext": container_security(),
            "volumeMounts": [
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of this pod
                *({"name": each, "mountPath": v["mountPath"], "readOnly": True} for each, v in volumes.items()),
            ],
        }
        spec: Object = {
            "automountServiceAccountToken": bool(account),
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 15,
            "securityContext": pod_security(),
            "containers": [container],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
                *({"name": each, **v["volume"]} for each, v in volumes.items()),
            ],
        }
        if account:
            spec["serviceAccountName"] = account
        if zone:
            spec["affinity"] = _in_zone(zone)
        meta = metadata(self._simulation, name, self._namespace, dict(more or {}))
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                **({} if replicas is None else {"replicas": replicas}),
                "revisionHistoryLimit": 3,
                "progressDeadlineSeconds": 600,
                "selector": {"matchLabels": {"app": name}},
                "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": {
                    "metadata": {"labels": {**(more or {}), **labels(self._simulation, name)}},
                    "spec": spec,
                },
            },
        }


def _probe(path: str, port: str, period: int) -> Object:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": period, "timeoutSeconds": 3}


def _in_zone(zone: str) -> Object:
    """Preferred only: a cluster without that zone still runs the service."""
    wanted = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}
    return {
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 100, "preference": {"matchExpressions": [wanted]}}
            ]
        }
    }
