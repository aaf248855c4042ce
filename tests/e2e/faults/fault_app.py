"""An application that knows nothing of faults, in a namespace of its own, for one case."""

import base64
import json
from typing import Any

from support.certificates import self_signed

Object = dict[str, Any]

DEVICE = "firedrill.dev/gpu"
_PASSWORD = "Tr0ub4dor-0815"
_RBAC = "rbac.authorization.k8s.io"

#: Answers 200 while all is as it should be: a file that it reads and one that it writes for each request, a variable,
#: the name of a Service; and, where it is told so, the password that its database asks for, its own certificate, what
#: its rights let it do, some work for each request, or memory that is left, which services that shed load look at.
_SCRIPT = """
import http.server, os, socket, ssl, sys, tempfile, threading, time, urllib.request
ASKS = os.environ["ASKS"].split(",")
def password():
    return open("/etc/secret/password").read() == os.environ["DATABASE_ASKS_FOR"]
def tls():
    listener = socket.create_server(("127.0.0.1", 0))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain("/etc/tls/tls.crt", "/etc/tls/tls.key")
    def serve():
        try:
            served.wrap_socket(listener.accept()[0], server_side=True).close()
        except OSError:
            pass
    threading.Thread(target=serve, daemon=True).start()
    client = ssl.create_default_context(cafile="/etc/ca/ca.crt")
    with socket.create_connection(listener.getsockname(), timeout=2) as raw:
        client.wrap_socket(raw, server_hostname="shop").close()
    listener.close()
    return True
def api():
    account = "/var/run/secrets/kubernetes.io/serviceaccount/"
    where = "https://kubernetes.default/api/v1/namespaces/" + open(account + "namespace").read() + "/configmaps/shop"
    request = urllib.request.Request(where, headers={"Authorization": "Bearer " + open(account + "token").read()})
    context = ssl.create_default_context(cafile=account + "ca.crt")
    return urllib.request.urlopen(request, timeout=2, context=context).status == 200
def work():
    begun = time.thread_time()
    while time.thread_time() - begun < 0.03:
        pass
    return True
def headroom():
    for root, used, most in (
        ("/sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", "memory.current", "memory.max"),
    ):
        if os.path.exists(f"{root}/{used}"):
            return int(open(f"{root}/{used}").read()) < 0.7 * int(open(f"{root}/{most}").read())
    raise SystemExit("no cgroup tells how much memory is used")
def good():
    try:
        socket.getaddrinfo("shop", 8080)
        if not all(globals()[ask]() for ask in ASKS if ask):
            return False
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


def manifest(
    namespace: str,
    replicas: int = 1,
    *,
    asks: str = "",
    kind: str = "Deployment",
    device: bool = False,
    threads: bool = True,
    cpu: str = "",
) -> str:
    """Namespace, ConfigMap, workload and Service, as JSON for kubectl.

    ``asks`` is what it asks for besides (password, tls, api, work, headroom), ``cpu`` its limit; without ``threads``
    it serves one request at a time.
    """
    labels = {"app": "shop"}
    env = {"MODE": "ok", "ASKS": asks, "DATABASE_ASKS_FOR": _PASSWORD}
    limits = {"memory": "96Mi", **({DEVICE: "1"} if device else {}), **({"cpu": cpu} if cpu else {})}
    volumes: list[Object] = [
        {"name": "config", "configMap": {"name": "shop"}},
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]
    mounts = [{"name": "config", "mountPath": "/etc/app"}, {"name": "scratch", "mountPath": "/scratch"}]
    if asks == "password":
        volumes.append({"name": "secret", "secret": {"secretName": "shop"}})
        mounts.append({"name": "secret", "mountPath": "/etc/secret"})
    if asks == "tls":
        volumes += [
            {"name": "tls", "secret": {"secretName": "shop-tls"}},
            {"name": "ca", "configMap": {"name": "shop-ca"}},
        ]
        mounts += [{"name": "tls", "mountPath": "/etc/tls"}, {"name": "ca", "mountPath": "/etc/ca"}]
    container = {
        "name": "app",
        "image": "docker.io/firedrill/runner:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _SCRIPT, "ThreadingHTTPServer" if threads else "HTTPServer"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": limits},
        "volumeMounts": mounts,
    }
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container], "volumes": volumes}
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if kind == "StatefulSet":
        spec["serviceName"] = "shop"
    marks = {"firedrill.dev/experiments": "enabled", "pod-security.kubernetes.io/enforce": "privileged"}
    meta = {"name": "shop", "namespace": namespace}
    items: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": marks}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mode": "ok"}},
        *_asked_for(asks, namespace),
        {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 8080, "targetPort": 8080}]},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _asked_for(asks: str, namespace: str) -> list[Object]:
    """What the application needs besides."""
    meta = {"name": "shop", "namespace": namespace}
    if asks == "password":
        return [{"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"password": _PASSWORD}}]
    if asks == "tls":
        certificate, key = self_signed("shop")
        data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {**meta, "name": "shop-tls"}, "data": data}
        authority = {"ca.crt": certificate.decode()}
        return [
            {**secret, "type": "kubernetes.io/tls"},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": "shop-ca"}, "data": authority},
        ]
    if asks == "api":
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
        account = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
        role = {"apiGroup": _RBAC, "kind": "Role", "name": "shop"}
        return [
            {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{_RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": role,
                "subjects": [account],
            },
        ]
    return []
