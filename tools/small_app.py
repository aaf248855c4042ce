"""A very small application of pods that run, of which a hundred fit on a node: a few MiB each, and hardly any work."""

from typing import Any, Final

from firedrill.api.meta import LABEL_OPT_IN

Object = dict[str, Any]
LABELS: Final = {"app": "shop"}
#: Serves one connection at a time; whoever says nothing keeps the others waiting.
_SCRIPT: Final = """
import socket
served = socket.create_server(("", 8080), backlog=64)
while True:
    connection, _ = served.accept()
    try:
        if connection.recv(4096):
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    except OSError:
        pass
    connection.close()
"""


def objects_of(namespace: str, pods: int) -> list[Object]:
    """Namespace, Service and Deployment, in an order in which they can be created."""
    # The image is in every cluster already, and has a Python.
    container = {
        "name": "app",
        "image": "docker.io/firedrill/runner:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-S", "-E", "-c", _SCRIPT],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 3},
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "48Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}],
    }
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    # Faults of the network bring an ephemeral container with NET_ADMIN.
    marks = {LABEL_OPT_IN: "enabled", "pod-security.kubernetes.io/enforce": "privileged"}
    meta = {"name": "shop", "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": marks}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": LABELS, "ports": [{"port": 8080, "targetPort": 8080}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"replicas": pods, "selector": {"matchLabels": LABELS}, "template": template},
        },
    ]
