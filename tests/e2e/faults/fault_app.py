"""An application that knows nothing of faults, in a namespace of its own, for one case."""

import json
from typing import Any

Object = dict[str, Any]

#: Answers 200 while all is as it should be: a file that it reads for each request, a variable, the name of a Service.
_SCRIPT = """
import http.server, os, socket
def good():
    try:
        socket.getaddrinfo("shop", 8080)
    except OSError:
        return False
    return open("/etc/app/mode").read().strip() == "ok" and os.environ.get("MODE") == "ok"
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" or good() else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


def manifest(namespace: str, replicas: int = 1) -> str:
    """Namespace, ConfigMap, Deployment and Service, as JSON for kubectl."""
    labels = {"app": "shop"}
    container = {
        "name": "app",
        "image": "docker.io/firedrill/runner:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _SCRIPT],
        "env": [{"name": "MODE", "value": "ok"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"memory": "96Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "shop"}}],
    }
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    marks = {"firedrill.dev/experiments": "enabled", "pod-security.kubernetes.io/enforce": "privileged"}
    meta = {"name": "shop", "namespace": namespace}
    items: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": marks}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mode": "ok"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 8080, "targetPort": 8080}]},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
