"""Resources from YAML files, checked against their models. All problems are gathered, none hides another."""

import base64
import binascii
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from firedrill.api.base import Model
from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import ALL_KINDS, Kind, RunKind
from firedrill.api.meta import API_VERSION
from firedrill.api.resource import parse_spec
from firedrill.api.run import RunSpec
from firedrill.api.simulation import SimulationSpec
from firedrill.cli.local import LOCAL
from firedrill.cli.yamlfile import InvalidYaml, read_documents
from firedrill.core.schedule import check_schedule
from firedrill.simulation.plan import make_plan

_KINDS: Final = {kind.name: kind for kind in ALL_KINDS}
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class Document:
    """A resource that is right by its model. ``raw`` is what the file holds."""

    path: str
    line: int
    kind: Kind
    namespace: str
    name: str
    spec: Model
    raw: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Kind and name."""
        return f"{self.kind.name} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class Documents:
    """All that was read: resources, ConfigMaps and Secrets that lie beside them, and problems, one line each."""

    items: tuple[Document, ...]
    config_maps: Mapping[str, Mapping[str, bytes]]
    secrets: Mapping[str, Mapping[str, bytes]] = field(repr=False)
    problems: tuple[str, ...]


def load(paths: Sequence[str], offline: bool) -> Documents:
    """Read files (``-`` is standard input). With ``offline``, ``spec.clusters`` may be left out."""
    items: list[Document] = []
    config_maps: dict[str, Mapping[str, bytes]] = {}
    secrets: dict[str, Mapping[str, bytes]] = {}
    problems: list[str] = []
    for path in paths:
        shown = "standard input" if path == "-" else path
        try:
            text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
            raw = list(read_documents(text))
        except UnicodeDecodeError as error:
            problems.append(f"{shown}: not text in UTF-8: byte {error.start}")
            continue
        except OSError as error:
            problems.append(f"{shown}: {error.strerror or error}")
            continue
        except InvalidYaml as error:
            problems.append(f"{shown}: {error}")
            continue
        if not raw:
            problems.append(f"{shown}: no document in it")
        for number, document in enumerate(raw, 1):
            where = f"{shown}: line {document.line}" + (f" (document {number})" if len(raw) > 1 else "")
            try:
                if _is_core(document.body, "ConfigMap"):
                    config_maps[_name(document.body)] = _values(document.body, "data", "binaryData")
                elif _is_core(document.body, "Secret"):
                    secrets[_name(document.body)] = _values(document.body, "stringData", "data")
                else:
                    items.append(_document(path, document.line, document.body, offline))
            except InvalidInput as error:
                problems.append(f"{where}: {error}")
    twice = {item.title for i, item in enumerate(items) if item.title in {other.title for other in items[:i]}}
    problems.extend(f"{title} is given twice" for title in sorted(twice))
    return Documents(tuple(items), config_maps, secrets, tuple(problems))


def _document(path: str, line: int, body: Any, offline: bool) -> Document:
    if not isinstance(body, dict):
        raise InvalidInput(f"not a resource, but {type(body).__name__}")
    kind = _kind(body)
    name = _name(body)
    namespace = body["metadata"].get("namespace") or ""
    if not isinstance(namespace, str) or (namespace and not _NAME.fullmatch(namespace)):
        raise InvalidInput(f"{kind.name} {name}: metadata.namespace: {namespace!r} is not a name in Kubernetes")
    unknown = sorted(str(key) for key in body.keys() - {"apiVersion", "kind", "metadata", "spec", "status"})
    if unknown:
        raise InvalidInput(f"{kind.name} {name}: unknown field {', '.join(unknown)}")
    raw = body.get("spec")
    if not isinstance(raw, dict):
        raise InvalidInput(f"{kind.name} {name}: spec: must be an object")
    spec = dict(raw)
    if offline and isinstance(kind, RunKind):
        spec.setdefault("clusters", {"names": [LOCAL]})
    try:
        parsed = parse_spec(kind.spec, spec)
        if isinstance(parsed, RunSpec):
            check_schedule(parsed, datetime.now(UTC))
        if isinstance(parsed, SimulationSpec) and parsed.source.config_map is None:
            make_plan(parsed)
    except InvalidInput as error:
        raise InvalidInput(f"{kind.name} {name}: {error}") from error
    return Document(path, line, kind, namespace, name, parsed, body)


def _kind(body: Mapping[str, Any]) -> Kind:
    given, version = body.get("kind"), body.get("apiVersion")
    kind = _KINDS.get(given) if isinstance(given, str) else None
    if kind is None:
        raise InvalidInput(f"kind: {given!r} is not one of {', '.join(_KINDS)}")
    if version != API_VERSION:
        raise InvalidInput(f"apiVersion: {version!r} is not {API_VERSION!r}, which {given} needs")
    return kind


def _name(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(f"metadata.name: {name!r} is not a name in Kubernetes")
    return name


def _is_core(body: Any, kind: str) -> bool:
    return isinstance(body, dict) and body.get("kind") == kind and body.get("apiVersion") == "v1"


def _values(body: Mapping[str, Any], plain: str, encoded: str) -> dict[str, bytes]:
    """The values of a ConfigMap or a Secret: those of one field as they are, those of the other from base64."""
    values: dict[str, bytes] = {}
    data, binary = body.get(plain) or {}, body.get(encoded) or {}
    if not isinstance(data, dict) or not isinstance(binary, dict):
        raise InvalidInput(f"{plain} and {encoded} of a {body['kind']} must be objects")
    for key, value in data.items():
        if not isinstance(value, str):
            raise InvalidInput(f"{plain}.{key}: must be text")
        values[str(key)] = value.encode()
    for key, value in binary.items():
        try:
            values[str(key)] = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise InvalidInput(f"{encoded}.{key}: not base64") from error
    return values
