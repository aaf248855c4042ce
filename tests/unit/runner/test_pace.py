"""How much longer than one change many of them may take."""

from datetime import UTC, datetime, timedelta

import pytest

from firedrill.api.changes import Change, Edit, ObjectEdited, PacketsDropped, PodDeleted
from firedrill.runner.pace import time_for

T0 = datetime(2026, 1, 1, tzinfo=UTC)
KILLED = PodDeleted(namespace="n", name="p", owner_kind="ReplicaSet", owner_name="r", owner_uid="o", ready_before=1)
DROPPED = PacketsDropped(
    namespace="n", name="p", table="t", port=1, percent=1, seconds=9, not_after=T0, expires_at=T0,
    inject_container="i", undo_container="o",
)  # fmt: skip


def edited(*path: str) -> ObjectEdited:
    pod = {"namespace": "n", "name": "p", "api": "v1", "plural": "pods", "kind": "Pod", "uid": "u"}
    return ObjectEdited.model_validate({**pod, "edits": [Edit(path=list(path))]})


IMAGE, FINALIZER = edited("spec", "containers", "[name=app]", "image"), edited("metadata", "finalizers", "[=a/b]")


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ([], 0),
        ([KILLED] * 100, 10),
        ([FINALIZER] * 100, 10),
        ([DROPPED] * 100, 50),
        ([IMAGE] * 100, 50),
        ([*[DROPPED] * 10, *[KILLED] * 10], 6),
    ],
)
def test_kubelets_are_given_time_to_start_and_to_end_containers(changes: list[Change], seconds: float) -> None:
    assert time_for(changes) == timedelta(seconds=seconds)
