"""JSON patches of a Deployment: what is set, and on which condition."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from firedrill.api.meta import GROUP

#: On a Deployment: the run that has set its template. With it, a template that someone else set to the same value
#: is not taken for ours. A label and no annotation: the controller copies annotations to ReplicaSets, where they
#: would stay for ever.
LABEL_FIX: Final = f"{GROUP}/fix"


def mark_of(uid: str, run_id: str) -> str:
    """What the label says for a run of a resource; at most 63 characters."""
    return f"{uid}.{run_id}"


def withdrawn(mark: str) -> str:
    """What the label says where a patch of that mark must not come any more."""
    return f"{mark}.withdrawn"


def apply_patch(
    uid: str, resource_version: str, labels: Mapping[str, str], template: Mapping[str, Any], mark: str
) -> list[dict[str, Any]]:
    """Set the template and our mark, where the object is the very one that was read.

    The resourceVersion is tested instead of the old template: a JSON patch compares values as they are spelt, and
    two spellings of one template would be taken for a change.
    """
    return [*_guards(uid, resource_version), _mark(labels, mark), _set_template(template)]


def restore_patch(uid: str, resource_version: str, template: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Set the template back and take our mark off, where the object is the very one that was read."""
    return [*_guards(uid, resource_version), _UNMARK, _set_template(template)]


def unmark_patch(uid: str, resource_version: str) -> list[dict[str, Any]]:
    """Take our mark off and leave the template."""
    return [*_guards(uid, resource_version), _UNMARK]


def fence_patch(uid: str, resource_version: str, labels: Mapping[str, str], mark: str) -> list[dict[str, Any]]:
    """Write something, so that a patch which was guarded by an older resourceVersion comes too late."""
    return [*_guards(uid, resource_version), _mark(labels, withdrawn(mark))]


def is_ours(
    labels: Mapping[str, str], template: Mapping[str, Any], mark: str, replacements: Sequence[Mapping[str, Any]]
) -> bool:
    """Whether a Deployment still holds what this run has set: our mark and a template of ours."""
    return labels.get(LABEL_FIX) == mark and any(template == item for item in replacements)


def _pointer(*parts: str) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


_UNMARK: Final[dict[str, Any]] = {"op": "remove", "path": _pointer("metadata", "labels", LABEL_FIX)}


def _guards(uid: str, resource_version: str) -> list[dict[str, Any]]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
    ]


def _mark(labels: Mapping[str, str], mark: str) -> dict[str, Any]:
    if not labels:
        return {"op": "add", "path": "/metadata/labels", "value": {LABEL_FIX: mark}}
    return {"op": "add", "path": _pointer("metadata", "labels", LABEL_FIX), "value": mark}


def _set_template(template: Mapping[str, Any]) -> dict[str, Any]:
    return {"op": "replace", "path": "/spec/template", "value": dict(template)}
