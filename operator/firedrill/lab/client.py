"""A small client of the Kubernetes API: what the lab itself needs, synchronous and with certificates."""

from __future__ import annotations

import base64
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from firedrill.lab.errors import LabError
from firedrill.lab.kubeconfig import Access

FIELD_MANAGER = "firedrill-lab"
# The kinds that the lab applies: (path of the API, plural, namespaced).
KINDS = {
    "Namespace": ("/api/v1", "namespaces", False),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Pod": ("/api/v1", "pods", True),
    "Service": ("/api/v1", "services", True),
    "ServiceAccount": ("/api/v1", "serviceaccounts", True),
    "Deployment": ("/apis/apps/v1", "deployments", True),
    "StorageClass": ("/apis/storage.k8s.io/v1", "storageclasses", False),
    "ClusterRole": ("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "APIService": ("/apis/apiregistration.k8s.io/v1", "apiservices", False),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies", True),
}


def address(item: dict[str, Any]) -> str:
    """The path of an object."""
    base, plural, namespaced = KINDS[item["kind"]]
    metadata = item["metadata"]
    folder = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
    return f"{base}{folder}/{plural}/{metadata['name']}"


class Client:
    """Requests to one API server. Use it in a `with`."""

    def __init__(self, server: str, context: ssl.SSLContext, headers: dict[str, str] | None = None) -> None:
        self.server = server
        self._http = httpx.Client(base_url=server, verify=context, timeout=10, trust_env=False, headers=headers)

    @classmethod
    def of_access(cls, access: Access) -> Self:
        """For a cluster whose certificates are files."""
        context = ssl.create_default_context(cafile=str(access.ca_file))
        context.load_cert_chain(str(access.user.cert), str(access.user.key))
        return cls(access.server, context)

    @classmethod
    def of_kubeconfig(cls, path: Path, context_name: str) -> Self:
        """For a context of a kubeconfig with certificates or a token in it.

        Raises LabError for a context that is missing or logs in by other means.
        """
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        try:
            context = _entry(content, "contexts", context_name)["context"]
            cluster = _entry(content, "clusters", context["cluster"])["cluster"]
            user = _entry(content, "users", context["user"])["user"]
        except KeyError as error:
            raise LabError(f"{path} has no usable context {context_name!r}: {error}") from error
        authority = _material(cluster, "certificate-authority", path)
        secure = ssl.create_default_context(cadata=authority.decode() if authority else None)
        certificate, key = _material(user, "client-certificate", path), _material(user, "client-key", path)
        headers = {}
        if certificate and key:
            with tempfile.NamedTemporaryFile() as file:  # the ssl module reads files alone
                file.write(certificate + b"\n" + key)
                file.flush()
                secure.load_cert_chain(file.name)
        elif user.get("token"):
            headers["Authorization"] = f"Bearer {user['token']}"
        else:
            raise LabError(f"the context {context_name!r} of {path} has neither client certificate nor token")
        return cls(cluster["server"], secure, headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ready(self) -> bool:
        """Whether the API server says it is ready."""
        try:
            return self._http.get("/readyz", timeout=3).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> dict[str, Any] | None:
        """An object or a list; None when it does not exist.

        Raises LabError for every other answer.
        """
        answer = self._send("GET", path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return self._content(answer)

    def text(self, path: str) -> str:
        """Plain text, as logs are."""
        return self._send("GET", path).text

    def post(self, path: str, item: dict[str, Any]) -> dict[str, Any]:
        """Create an object; LabError when it is refused."""
        return self._content(self._send("POST", path, json=item))

    def apply(self, item: dict[str, Any]) -> None:
        """Make an object as given, whether it exists or not; LabError when it is refused."""
        self._content(
            self._send(
                "PATCH",
                f"{address(item)}?fieldManager={FIELD_MANAGER}&force=true",
                content=yaml.safe_dump(item),
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
        )

    def delete(self, path: str) -> None:
        """Delete an object at once; that it is gone already is fine."""
        answer = self._send("DELETE", path, params={"gracePeriodSeconds": "0"})
        if answer.status_code != httpx.codes.NOT_FOUND:
            self._content(answer)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise LabError(f"the API server {self.server} does not answer: {error}") from error

    def _content(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise LabError(f"{self.server} refused {answer.request.url.path}: {answer.text.strip()}")
        content: dict[str, Any] = answer.json()
        return content


def _entry(content: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    for entry in content.get(kind) or []:
        if entry["name"] == name:
            found: dict[str, Any] = entry
            return found
    raise KeyError(f"{kind} has no {name}")


def _material(section: dict[str, Any], name: str, kubeconfig: Path) -> bytes | None:
    inline = section.get(f"{name}-data")
    if inline:
        return base64.b64decode(inline)
    file = section.get(name)
    return (kubeconfig.parent / file).read_bytes() if file else None


def wait_until(check: Callable[[], bool], patience: float, what: str, interval: float = 0.2) -> None:
    """Ask until the answer is yes.

    Raises LabError with `what` (it says what to look at) when time is up.
    """
    deadline = time.monotonic() + patience
    while not check():
        if time.monotonic() > deadline:
            raise LabError(f"after {patience:.0f} s: {what}")
        time.sleep(interval)
