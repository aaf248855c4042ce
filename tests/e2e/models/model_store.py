"""A store of files in the target: pods read tables from it, pipelines write to it, load is put on it.

It knows nothing of Firedrill, and counts every request with who sent it and when, so that tests hold what a run says
against what was seen from outside.
"""

import base64
import json
from typing import Any

from demo import Demo

Object = dict[str, Any]

IMAGE = "docker.io/firedrill/runner:dev"
HUB_NAMESPACE = "firedrill.dev/hub-namespace"

#: Below /files a file. Before its name: /late waits for some seconds, /turns gives it and the file NAME.other in turn,
#: /once answers the first who asks and no other.
_SERVER = """
import collections, http.server, json, pathlib, threading, time
ROOT, LOCK = pathlib.Path("/data"), threading.Lock()
SEEN = collections.defaultdict(lambda: {"count": 0, "clients": {}})
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def note(self):
        now = time.time()
        with LOCK:
            seen = SEEN[self.command + " " + self.path]
            seen["count"] += 1
            seen["clients"].setdefault(self.client_address[0], [now, now])[1] = now
            return seen["count"]
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        if self.path == "/seen":
            with LOCK:
                return self.answer(200, json.dumps(SEEN).encode())
        number, (where, _, name) = self.note(), self.path[1:].partition("/")
        if where == "work":
            time.sleep(float(name or 0))
            return self.answer(200, b"done")
        if where == "late":
            time.sleep(20)
        if where == "turns" and number % 2:
            name += ".other"
        if where == "once" and number > 1:
            return self.answer(503)
        file = ROOT / name
        return self.answer(200, file.read_bytes()) if file.is_file() else self.answer(404)
    def do_PUT(self):
        self.note()
        (ROOT / self.path.rpartition("/")[2]).write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(204)
    def log_message(self, *_):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
Server(("", 8080), Handler).serve_forever()
"""

#: Copies raw.csv to OUTPUT by the store, as its mode says: whole, without every third row, not at all, or never.
_PIPELINE = """
import os, sys, time, urllib.request
mode, output = os.environ["MODE"], "http://store.shop:8080/files/" + os.environ["OUTPUT"]
lines = urllib.request.urlopen("http://store.shop:8080/files/raw.csv", timeout=20).read().decode().splitlines()
if mode == "fails":
    sys.exit("the source has another form today")
if mode == "hangs":
    time.sleep(3600)
kept = [line for number, line in enumerate(lines) if mode == "whole" or number % 3 != 1]
body = "\\n".join(kept).encode() + b"\\n"
urllib.request.urlopen(urllib.request.Request(output, data=body, method="PUT"), timeout=20)
"""

_SAFE: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_POD: Object = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "terminationGracePeriodSeconds": 1,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
}

#: Modes of the pipelines that may be started; each is a CronJob of that name, and writes a file of that name.
MODES = ("whole", "drops", "fails", "hangs")
#: A CronJob that nobody has labelled for us.
UNLABELLED = "unlabelled"


def container(script: str, **more: Any) -> Object:
    """A container that runs a script."""
    return {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", script],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": _SAFE,
        **more,
    }


def pod(main: Object, **more: Any) -> Object:
    """The spec of a pod with one container, which meets the strictest standard."""
    return {**_POD, "containers": [main], **more}


def manifest(namespace: str) -> str:
    """The store, as JSON for kubectl."""
    labels, meta = {"app": "store"}, {"name": "store", "namespace": namespace}
    served = container(
        _SERVER,
        readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod(served, volumes=[{"name": "data", "emptyDir": {}}])},
    }
    items = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": labels, "ports": [{"port": 8080}]},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def pipelines(namespace: str, hub_namespace: str) -> str:
    """Suspended CronJobs, one for each mode, and one that is not meant for us."""
    labelled = [_cron_job(namespace, mode, mode, {HUB_NAMESPACE: hub_namespace}) for mode in MODES]
    return json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [*labelled, _cron_job(namespace, UNLABELLED, "whole", {})]}
    )


def _cron_job(namespace: str, name: str, mode: str, labels: Object) -> Object:
    env = [{"name": "MODE", "value": mode}, {"name": "OUTPUT", "value": f"{name}.csv"}]
    template = {"spec": pod(container(_PIPELINE, env=env), restartPolicy="Never")}
    job = {"spec": {"backoffLimit": 0, "template": template}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": job},
    }


class Store:
    """The store, asked and filled from outside, by its own pod."""

    def __init__(self, lab: Demo, context: str, namespace: str) -> None:
        self._lab = lab
        self._where = ("-n", namespace, "exec", "-i", "deployment/store", "--")
        self._context = context

    def put(self, name: str, content: bytes) -> None:
        """Lay a file into it, past its server."""
        write(self._lab, self._context, self._where, f"/data/{name}", content)

    def seen(self, request: str) -> Object:
        """How often a request such as ``GET /files/a.csv`` came, and when the first and the last of each client."""
        script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/seen').read().decode())"
        told = self._lab.kubectl(self._context, *self._where, "python3", "-c", script, capture=True)
        found: Object = json.loads(told).get(request, {"count": 0, "clients": {}})
        return found

    def count(self, request: str) -> int:
        """How often a request came."""
        return int(self.seen(request)["count"])


def write(lab: Demo, context: str, where: tuple[str, ...], path: str, content: bytes) -> None:
    """Write a file in a pod."""
    script = (
        "import base64, pathlib, sys; p = pathlib.Path(sys.argv[1]); p.parent.mkdir(parents=True, exist_ok=True); "
        "p.write_bytes(base64.b64decode(sys.stdin.read()))"
    )
    encoded = base64.b64encode(content).decode()
    lab.kubectl(context, *where, "python3", "-c", script, path, stdin=encoded, capture=True)
