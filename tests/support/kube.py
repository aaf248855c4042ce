"""A small client of one API server, for the tests' own looks and changes: as admin, and past the fault proxy."""

import base64
import json
import ssl
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from firedrill.api.kinds import ALL_KINDS
from firedrill.clusters import paths

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
_PLURALS = {
    **{kind.name: kind.plural for kind in ALL_KINDS},
    "CustomResourceDefinition": "customresourcedefinitions",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "NetworkPolicy": "networkpolicies",
    "PriorityClass": "priorityclasses",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}
_CLUSTER_SCOPED = {
    "TargetCluster",
    "CustomResourceDefinition",
    "ClusterRole",
    "MutatingWebhookConfiguration",
    "ClusterRoleBinding",
    "Namespace",
    "Node",
    "PriorityClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "FlowSchema",
    "PriorityLevelConfiguration",
}


class HttpError(Exception):
    """The API server refused."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Access:
    """Where an API server is and how to be admin there."""

    server: str
    tls: ssl.SSLContext
    #: Without the client certificate of the admin: what others send through the proxy is theirs alone.
    tls_anonymous: ssl.SSLContext
    headers: Mapping[str, str]


def access(kubeconfig: Path, context: str) -> Access:
    """The admin's way to the cluster of a context."""
    document = yaml.safe_load(kubeconfig.read_text())

    def named(kind: str, name: str) -> Object:
        return dict(next(item[kind] for item in document[f"{kind}s"] if item["name"] == name))

    chosen = named("context", context)
    cluster, user = named("cluster", chosen["cluster"]), named("user", chosen["user"])
    token = user.get("token")
    return Access(
        cluster["server"].rstrip("/"),
        _tls(cluster, user),
        _tls(cluster, {}),
        {"Authorization": f"Bearer {token}"} if token else {},
    )


def _tls(cluster: Object, user: Object) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=_file(cluster, "certificate-authority"))
    if cluster.get("insecure-skip-tls-verify"):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    certificate = _file(user, "client-certificate")
    if certificate:
        made.load_cert_chain(certificate, _file(user, "client-key"))
    return made


def _file(section: Object, key: str) -> str | None:
    if section.get(key):
        return str(section[key])
    data = section.get(f"{key}-data")
    if not data:
        return None
    with tempfile.NamedTemporaryFile(prefix="firedrill-test-", suffix=".pem", delete=False) as file:
        file.write(base64.b64decode(data))
    return file.name


class Cluster:
    """Requests to one API server, from any thread. Raises HttpError."""

    def __init__(self, name: str, way: Access) -> None:
        self.name = name
        self.access = way
        self._local = threading.local()

    @property
    def _http(self) -> httpx.Client:
        """A client for each thread: connections that are shared were seen closed under one's hands."""
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            way = self.access
            client = self._local.client = httpx.Client(
                base_url=way.server, verify=way.tls, headers=dict(way.headers), timeout=30, trust_env=False
            )
        return client

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """One request; the answer as JSON."""
        answer = self._http.request(
            method,
            path,
            params=dict(params or {}),
            content=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type},
        )
        parsed: Object = answer.json() if "json" in answer.headers.get("content-type", "") else {"text": answer.text}
        if answer.status_code >= 400:
            raise HttpError(answer.status_code, parsed.get("reason", ""), parsed.get("message", answer.text))
        return parsed

    def get(self, path: str) -> Object:
        """An object or a list."""
        return self.request("GET", path)

    def find(self, path: str) -> Object | None:
        """An object, or None where there is none."""
        try:
            return self.get(path)
        except HttpError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str, selector: str = "") -> list[Object]:
        """The objects of a collection."""
        found = self.request("GET", path, params={"labelSelector": selector} if selector else None)
        return list(found["items"])

    def create(self, body: Object) -> Object:
        """Create an object."""
        return self.request("POST", collection(body), body)

    def apply(self, body: Object) -> Object:
        """Create an object, or bring it in line."""
        params = {"fieldManager": "tests", "force": "true"}
        where = f"{collection(body)}/{body['metadata']['name']}"
        return self.request("PATCH", where, body, params=params, content_type=APPLY)

    def merge(self, path: str, change: Object) -> Object:
        """Change some fields of an object."""
        return self.request("PATCH", path, change, content_type=MERGE)

    def replace(self, path: str, body: Object) -> Object:
        """Replace an object."""
        return self.request("PUT", path, body)

    def delete(self, path: str, *, missing_ok: bool = True) -> None:
        """Delete an object, in the background."""
        try:
            self.request("DELETE", path, {"propagationPolicy": "Background"})
        except HttpError as error:
            if error.status != 404 or not missing_ok:
                raise

    def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Make sure that a namespace is there, with what every namespace needs before pods can be made in it."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}})
        return name

    def apply_all(self, objects: Iterable[Object]) -> None:
        """Apply several objects, in order."""
        for body in objects:
            self.apply(body)

    def token(self, namespace: str, account: str, seconds: int = 6 * 3600) -> str:
        """A token of a service account."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        made = self.request("POST", paths.path("v1", "serviceaccounts", namespace, account, "token"), body)
        return str(made["status"]["token"])


def plural(kind: str) -> str:
    """The plural of a kind, as paths have it."""
    return _PLURALS.get(kind, kind.lower() + "s")


def collection(body: Object) -> str:
    """Path of the collection that an object belongs to."""
    kind = body["kind"]
    namespace = None if kind in _CLUSTER_SCOPED else body["metadata"].get("namespace", "default")
    return paths.path(body["apiVersion"], plural(kind), namespace)


def where(body: Object) -> str:
    """Path of an object."""
    return f"{collection(body)}/{body['metadata']['name']}"
