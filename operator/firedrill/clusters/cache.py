"""What a target holds of Firedrill's runs, by resource and run."""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from firedrill.api.meta import (
    ANNOTATION_RESOURCE,
    CONTROL_KEY,
    LABEL_KIND,
    LABEL_ROLE,
    LABEL_UID,
    REACTION_KEY,
    RECORD_KEY,
    RESULT_KEY,
    STATE_KEY,
)
from firedrill.api.ondrift import Reacted
from firedrill.api.record import Control
from firedrill.api.record_text import from_text
from firedrill.api.simulation_status import SimulationState
from firedrill.api.task import Result
from firedrill.core.observed import JobPhase, JobView, RecordView, RunObjects

logger = logging.getLogger(__name__)

#: Which part of a run an object of a role is, and what it is when there is none.
_FIELDS = {
    "runner": "job",
    "guardian": "guardian",
    "task": "has_task",
    "result": "result",
    "record": "record",
    "state": "state",
    "reaction": "reaction",
}
_ABSENT: dict[str, Any] = {
    "runner": None,
    "guardian": None,
    "task": False,
    "result": None,
    "record": None,
    "state": None,
    "reaction": None,
}

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Key:
    """A resource of a run kind on the hub."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


def key_of(obj: Object) -> Key | None:
    """The resource that an object in a target belongs to; None where its marks are missing."""
    meta = obj["metadata"]
    resource = (meta.get("annotations") or {}).get(ANNOTATION_RESOURCE, "")
    kind = (meta.get("labels") or {}).get(LABEL_KIND, "")
    namespace, _, name = resource.partition("/")
    return Key(kind, namespace, name) if kind and namespace and name else None


def job_view(job: Object) -> JobView:
    """The phase of a Job by its conditions."""
    phase, message = JobPhase.ACTIVE, ""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            phase = JobPhase.SUCCEEDED if condition["type"] == "Complete" else JobPhase.FAILED
            message = f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": ")
    running = bool((job.get("status") or {}).get("ready"))
    return JobView(job["metadata"]["name"], job["metadata"]["uid"], phase, message, running)


def result_of(configmap: Object) -> Result:
    """The result in a ConfigMap, without its report, which stays where it is."""
    text = (configmap.get("data") or {}).get(RESULT_KEY, "")
    return Result.model_validate_json(text).model_copy(update={"report": {}})


def record_of(configmap: Object) -> RecordView:
    """The record in a ConfigMap. A record that can not be read counts as one that is not settled."""
    data = configmap.get("data") or {}
    text = data.get(RECORD_KEY) or ""
    control = Control()
    try:
        control = Control.model_validate_json(data.get(CONTROL_KEY) or "{}")
        return RecordView(from_text(text) if text else None, control)
    except ValueError as error:
        logger.error("record %s can not be read: %s", configmap["metadata"]["name"], error)
        return RecordView(None, control, unreadable=True)


def state_of(configmap: Object) -> SimulationState:
    """What the ConfigMap tells of what stands in the target."""
    return SimulationState.model_validate_json((configmap.get("data") or {}).get(STATE_KEY, ""))


def reaction_of(configmap: Object) -> Reacted:
    """Which run has acted on drift, and when."""
    return Reacted.model_validate_json((configmap.get("data") or {}).get(REACTION_KEY, ""))


def _job_of(obj: Object, role: str) -> str:
    name = str(obj["metadata"]["name"])
    return name if role == "runner" else name.removesuffix(f"-{role}")


_PARSE: dict[str, Callable[[Object], Any]] = {
    "runner": job_view,
    "guardian": job_view,
    "task": lambda _: True,
    "result": result_of,
    "record": record_of,
    "state": state_of,
    "reaction": reaction_of,
}


class RunCache:
    """Jobs, results and records of one target."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, RunObjects]] = defaultdict(dict)
        self._keys: dict[str, Key] = {}

    def of(self, uid: str) -> Mapping[str, RunObjects]:
        """The runs of a resource, by the name of their Job."""
        return dict(self._runs.get(uid, {}))

    def keys(self) -> set[Key]:
        """All resources that something is held of."""
        return set(self._keys.values())

    def uids(self) -> Mapping[str, Key]:
        """All resources that something is held of, by UID."""
        return dict(self._keys)

    def clear(self, roles: tuple[str, ...]) -> None:
        """Forget the parts with these roles, before a fresh list fills them again."""
        gone = {_FIELDS[role]: _ABSENT[role] for role in roles} | {"confirmed": False}
        for runs in self._runs.values():
            for job in runs:
                runs[job] = replace(runs[job], **gone)
        self._drop_empty()

    def apply(self, obj: Object, *, deleted: bool = False) -> Key | None:
        """Take in an object; returns the resource to look at again."""
        key = key_of(obj)
        labels = obj["metadata"].get("labels") or {}
        uid, role = labels.get(LABEL_UID, ""), labels.get(LABEL_ROLE, "")
        if key is None or not uid:
            return None
        job = _job_of(obj, role)
        change = self._change(role, obj, deleted)
        if change is None:
            return None
        runs = self._runs[uid]
        runs[job] = replace(runs.get(job, RunObjects()), **change, confirmed=False)
        self._keys[uid] = key
        self._drop_empty(uid)
        return key

    def confirm(self, uid: str, job: str, objects: Iterable[Object], before: RunObjects | None) -> None:
        """Take in all that a target has of a run, read after ``before`` was seen of it.

        Where a watch has shown something new in the meantime, nobody can tell which is newer: then nothing is taken in.
        """
        runs = self._runs.get(uid, {})
        if runs.get(job) is not before:
            return
        found: dict[str, Any] = {}
        for obj in objects:
            role = obj["metadata"]["labels"].get(LABEL_ROLE, "")
            if _job_of(obj, role) == job:
                found |= self._change(role, obj, False) or {}
        state = before.state if before else None
        self._runs[uid][job] = RunObjects(**{"state": state, **found, "confirmed": True})

    @staticmethod
    def _change(role: str, obj: Object, deleted: bool) -> dict[str, Any] | None:
        if role not in _FIELDS:
            return None
        try:
            value = _ABSENT[role] if deleted else _PARSE[role](obj)
        except (ValidationError, json.JSONDecodeError) as error:
            logger.error("%s %s can not be read: %s", role, obj["metadata"]["name"], error)
            return None
        return {_FIELDS[role]: value}

    def _drop_empty(self, uid: str | None = None) -> None:
        for each in [uid] if uid else list(self._runs):
            runs = {job: objects for job, objects in self._runs.get(each, {}).items() if objects != RunObjects()}
            if runs:
                self._runs[each] = runs
            else:
                self._runs.pop(each, None)
                self._keys.pop(each, None)
