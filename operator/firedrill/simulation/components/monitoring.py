"""Prometheus, which finds the pods of its own namespace and no others."""

from collections.abc import Mapping
from datetime import timedelta

from firedrill.simulation.components.pod import (
    Component,
    Pod,
    Resources,
    scratch,
    settings_volume,
    stateful_set,
)
from firedrill.simulation.labels import Object

PORT = 9090
RULES_FILE = "/etc/prometheus/rules.yaml"
_SETTINGS = "/etc/prometheus"
_DATA = "/var/lib/prometheus"
_MOST_KEPT = "1GB"


def prometheus(
    name: str,
    image: str,
    namespace: str,
    scrape_config_yaml: str,
    rules_yaml: str,
    retention: timedelta,
    labels: Mapping[str, str],
) -> list[Object]:
    """A server at `NAME:9090` that may find the pods of its namespace; Prometheus 3 or later.

    The scrape configuration is a whole prometheus.yml; its rule_files names RULES_FILE. The server takes a changed one
    up by itself once the pod sees it: a new pod would lose the samples. Samples older than the retention go, and the
    oldest ones when there is more than 1 GB of them.
    """
    component = Component(name, image, labels)
    files = {"prometheus.yml": scrape_config_yaml, RULES_FILE.rsplit("/", 1)[1]: rules_yaml}
    ready = {"httpGet": {"path": "/-/ready", "port": "http"}, "timeoutSeconds": 2}
    pod = Pod(
        command=(
            "prometheus",
            f"--config.file={_SETTINGS}/prometheus.yml",
            f"--storage.tsdb.path={_DATA}",
            f"--storage.tsdb.retention.time={retention.total_seconds():.0f}s",
            f"--storage.tsdb.retention.size={_MOST_KEPT}",
            f"--web.listen-address=:{PORT}",
            "--web.enable-lifecycle",
            "--enable-feature=auto-reload-config",
            "--config.auto-reload-interval=10s",
        ),
        port_name="http",
        port=PORT,
        resources=Resources(cpu="50m", memory=128, memory_limit=512),
        env=({"name": "GOMEMLIMIT", "value": "400MiB"},),
        startup={**ready, "periodSeconds": 1, "failureThreshold": 60},
        readiness={**ready, "periodSeconds": 5, "failureThreshold": 3},
        volumes=(settings_volume(component, _SETTINGS), scratch("data", _DATA, "2Gi"), scratch("tmp", "/tmp", "64Mi")),  # noqa: S108
        service_account=name,
    )
    return [
        *_access(component, namespace),
        component.config_map(files),
        component.service("http", PORT),
        stateful_set(component, pod),
    ]


def _access(component: Component, namespace: str) -> list[Object]:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    account = {"kind": "ServiceAccount", "name": component.name, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": component.name}
    version = "rbac.authorization.k8s.io/v1"
    metadata = component.metadata()
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [account],
            "roleRef": role,
        },
    ]
