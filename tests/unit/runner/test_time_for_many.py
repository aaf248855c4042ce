"""How much longer than one change many of them may take."""

from datetime import UTC, datetime, timedelta

import pytest

from firedrill.api.changes import Change, PacketsDropped, PodDeleted
from firedrill.runner.injecting import time_for

T0 = datetime(2026, 1, 1, tzinfo=UTC)
KILLED = PodDeleted(namespace="n", name="p", owner_kind="ReplicaSet", owner_name="r", owner_uid="o", ready_before=1)
DROPPED = PacketsDropped(
    namespace="n", name="p", table="t", port=1, percent=1, seconds=9, not_after=T0, expires_at=T0,
    inject_container="i", undo_container="o",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [([], 0), ([KILLED] * 100, 10), ([DROPPED] * 100, 50), ([*[DROPPED] * 10, *[KILLED] * 10], 6)],
)
def test_kubelets_are_given_time_to_start_what_is_brought_into_pods(changes: list[Change], seconds: float) -> None:
    assert time_for(changes) == timedelta(seconds=seconds)
