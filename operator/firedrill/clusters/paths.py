"""Paths of the Kubernetes API."""

from urllib.parse import quote

from firedrill.api.meta import API_VERSION


def path(
    api_version: str, plural: str, namespace: str | None = None, name: str | None = None, subresource: str | None = None
) -> str:
    """Path of a collection, an object or a subresource, such as ``/apis/batch/v1/namespaces/a/jobs/b/status``."""
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    parts = [root]
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(plural)
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


def configmaps(namespace: str, name: str | None = None) -> str:
    """ConfigMaps of a namespace."""
    return path("v1", "configmaps", namespace, name)


def pods(namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
    """Pods of a namespace, or of all."""
    return path("v1", "pods", namespace, name, subresource)


def jobs(namespace: str, name: str | None = None) -> str:
    """Jobs of a namespace."""
    return path("batch/v1", "jobs", namespace, name)


def deployments(namespace: str, name: str | None = None) -> str:
    """Deployments of a namespace."""
    return path("apps/v1", "deployments", namespace, name)


def namespaces(name: str | None = None) -> str:
    """Namespaces."""
    return path("v1", "namespaces", name=name)


def firedrill(
    plural: str, namespace: str | None = None, name: str | None = None, subresource: str | None = None
) -> str:
    """Resources of Firedrill."""
    return path(API_VERSION, plural, namespace, name, subresource)
