"""A run's record is followed from what there is already to the first settled one, and no further."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from bench_faults_real import follow
from fault_times import Sight

from firedrill.api.meta import RECORD_KEY
from firedrill.api.record import Record, RecordState
from firedrill.api.record_text import to_text

Object = dict[str, Any]
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def body(state: RecordState | None) -> Object:
    """The ConfigMap of a record; without one, as the operator makes it to cancel a run."""
    if state is None:
        return {"data": {"control.json": "{}"}}
    record = Record(uid="u", run_id="r", cluster="c", kind="k", claim="p", deadline=NOW, state=state)
    return {"data": {RECORD_KEY: to_text(record)}}


class Watched:
    """A cluster in which these are there, and then these come."""

    def __init__(self, there: Sequence[Object], then: Sequence[Object]) -> None:
        self._there, self._then = there, list(then)
        self.since: Mapping[str, str] = {}

    async def get(self, path: str, params: Mapping[str, str]) -> Object:
        assert path.endswith("/namespaces/firedrill/configmaps")
        assert params == {"labelSelector": "firedrill.dev/uid=u,firedrill.dev/role=record"}
        return {"metadata": {"resourceVersion": "7"}, "items": list(self._there)}

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], *, silence: float
    ) -> AsyncIterator[AsyncIterator[Object]]:
        self.since = params

        async def events() -> AsyncIterator[Object]:
            while self._then:
                yield self._then.pop(0)
            raise AssertionError("read on after the record was settled")

        yield events()


def modified(state: RecordState | None) -> Object:
    return {"type": "MODIFIED", "object": body(state)}


P, A, U, D = RecordState.PREPARED, RecordState.APPLIED, RecordState.UNDOING, RecordState.UNDONE


@pytest.mark.parametrize(
    ("there", "then", "states"),
    [
        ([], [modified(P), modified(A), modified(U), modified(D), modified(D)], [P, A, U, D]),
        ([body(P)], [modified(A), modified(D)], [P, A, D]),
        ([body(None)], [modified(None), {"type": "BOOKMARK", "object": {}}, modified(D)], [D]),
        ([], [modified(P), {"type": "DELETED", "object": body(P)}, modified(D)], [P, D]),
    ],
)
async def test_what_is_seen(there: list[Object], then: list[Object], states: list[RecordState]) -> None:
    cluster, sights = Watched(there, then), list[Sight]()
    await follow(cluster, "u", sights)  # type: ignore[arg-type]
    assert [sight.record.state for sight in sights] == states
    assert cluster.since["resourceVersion"] == "7"
    assert [sight.at for sight in sights] == sorted(sight.at for sight in sights)
    assert all(sight.size > 100 for sight in sights)
