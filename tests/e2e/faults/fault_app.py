"""An application that knows nothing of faults, in a namespace of its own, for one case."""

import json
from typing import Any

Object = dict[str, Any]

#: Answers 200 while all is as it should be: a file that it reads and one that it writes for each request, a variable,
#: the name of a Service.
_SCRIPT = """
import http.server, os, socket, sys, tempfile
def good():
    try:
        socket.getaddrinfo("shop", 8080)
    except OSError:
        return False
    try:
        with tempfile.NamedTemporaryFile(dir="/scratch") as scratch:
            scratch.write(bytes(8192))
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
getattr(http.server, sys.argv[1])(("", 8080), Handler).serve_forever()
"""


def manifest(namespace: str, replicas: int = 1, *, threads: bool = True, cpu: str = "") -> str:
    """Namespace, ConfigMap, Deployment and Service, as JSON for kubectl; with ``cpu`` as its limit."""
    labels = {"app": "shop"}
    limits = {"memory": "96Mi", **({"cpu": cpu} if cpu else {})}
    container = {
        "name": "app",
        "image": "docker.io/firedrill/runner:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _SCRIPT, "ThreadingHTTPServer" if threads else "HTTPServer"],
        "env": [{"name": "MODE", "value": "ok"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
        "resources": {
            "requests": {"cpu": "5m", "memory": "24Mi"},
            "limits": limits,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}, {"name": "scratch", "mountPath": "/scratch"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": "shop"}},
            {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        ],
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
