"""Tasks of checks, for runs without a cluster."""

from datetime import UTC, datetime, timedelta
from typing import Any

from firedrill.api.targetcluster import TargetPolicy
from firedrill.api.task import Task


def check_task(kind: str, spec: dict[str, Any], *, seconds: float = 60, at: datetime | None = None) -> Task:
    """A task that began at a moment, or now, and has so many seconds."""
    started = at or datetime.now(UTC)
    return Task(
        kind=kind,
        namespace="n",
        name="m",
        uid="u",
        run_id="r",
        cluster="c",
        runner_namespace="f",
        job="j",
        job_uid="ju",
        started_at=started,
        deadline=started + timedelta(seconds=seconds),
        image="",
        policy=TargetPolicy(),
        spec={"clusters": {"names": ["x"]}, **spec},
    )
