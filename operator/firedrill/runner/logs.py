"""Logs of runner and guardian: every line says which run it is of."""

from typing import TextIO

from firedrill.api.task import Task
from firedrill.clusters import logs


def set_up(task: Task, role: str, stream: TextIO | None = None) -> None:
    """Log to standard error from here on; ``role`` is runner or guardian."""
    shared = {
        "role": role,
        "kind": task.kind,
        "resource": f"{task.namespace}/{task.name}",
        "cluster": task.cluster,
        "run": task.run_id,
    }
    logs.set_up(shared=shared, stream=stream)
