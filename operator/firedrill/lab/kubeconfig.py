"""Kubeconfig files: one for each component, and the one that a person uses."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from firedrill.lab.certs import Pair


@dataclass(frozen=True)
class Access:
    """How to reach one cluster as one user."""

    context: str
    server: str
    ca_file: Path
    user: Pair


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def document(accesses: Sequence[Access], current: str | None = None) -> dict[str, Any]:
    """The content of a kubeconfig with a context for each access; it refers to no other file."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current or (accesses[0].context if accesses else ""),
        "clusters": [
            {
                "name": access.context,
                "cluster": {
                    "server": access.server,
                    "certificate-authority-data": _inline(access.ca_file),
                },
            }
            for access in accesses
        ],
        "users": [
            {
                "name": access.context,
                "user": {
                    "client-certificate-data": _inline(access.user.cert),
                    "client-key-data": _inline(access.user.key),
                },
            }
            for access in accesses
        ],
        "contexts": [
            {"name": access.context, "context": {"cluster": access.context, "user": access.context}}
            for access in accesses
        ],
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a kubeconfig, readable by its owner alone, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".tmp")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    fresh.replace(path)


def pick(content: dict[str, Any], contexts: dict[str, str]) -> dict[str, Any]:
    """A kubeconfig with only some contexts of another one, under new names ({new: old}).

    Raises KeyError with the name of a context that is not there.
    """
    found = {entry["name"]: entry["context"] for entry in content.get("contexts") or []}
    clusters = {entry["name"]: entry["cluster"] for entry in content.get("clusters") or []}
    users = {entry["name"]: entry["user"] for entry in content.get("users") or []}
    picked: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": next(iter(contexts), "")}
    picked |= {"clusters": [], "users": [], "contexts": []}
    for new, old in contexts.items():
        context = found[old]
        picked["clusters"].append({"name": new, "cluster": clusters[context["cluster"]]})
        picked["users"].append({"name": new, "user": users.get(context.get("user", ""), {})})
        picked["contexts"].append({"name": new, "context": context | {"cluster": new, "user": new}})
    return picked
