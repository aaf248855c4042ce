"""Whole experiments, runner and guardian, on real data stores; the API server alone is one in memory.

The probe is another client of the store: it sees what an application would, before, during and after.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from chaos_cluster import World
from chaos_lab import JOB, spec, task
from chaos_process import Process

from firedrill.api.base import format_time
from firedrill.api.changes import SessionsHeld
from firedrill.api.record import Record
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.core.naming import vault_name
from firedrill.runner import chaos
from firedrill.runner.context import Identity, RunContext, Stop
from firedrill.runner.data.stores import Stores
from firedrill.runner.guardian import Guardian, undo_table
from firedrill.runner.ports import SystemClock
from firedrill.runner.record_store import RecordStore
from support import stores
from support.stores import PASSWORD, Store

Object = dict[str, Any]
RECORD = paths.configmaps("firedrill", f"{JOB}-record")


class Loopback(Stores):
    """The real stores, whose Services are on loopback here."""

    def database(self, server: Any) -> Any:
        return super().database(replace(server, host="127.0.0.1"))

    def cache(self, server: Any) -> Any:
        return super().cache(replace(server, host="127.0.0.1"))


class Run:
    """One experiment on one store, in real time."""

    def __init__(self, fault: Object, probe: Object) -> None:
        self.world = World(SystemClock())  # type: ignore[arg-type]
        self.world.put(paths.namespaces("payments"), {"metadata": {"labels": {"firedrill.dev/experiments": "enabled"}}})
        self.world.service("ledger", 1)
        data = {"password": base64.b64encode(PASSWORD.encode()).decode()}
        secret = {"metadata": {"labels": {"firedrill.dev/hub-namespace": "sre"}}, "data": data}
        self.world.put(paths.path("v1", "secrets", "firedrill", "stores"), secret)
        self.world.put(paths.path("v1", "secrets", "firedrill", vault_name("data")), {"type": "Opaque"})
        self.world.put(paths.jobs("firedrill", JOB), {"metadata": {"uid": "job-uid"}, "status": {}})
        now = datetime.now(UTC)
        times = {"startedAt": format_time(now), "deadline": format_time(now + timedelta(minutes=5))}
        raw = spec(fault, steadyState={**probe, "window": "3s"}, duration="5s", recoveryTimeout="60s", timeout="5m")
        self.task = task(raw, **times)
        self.stop = Stop()

    def context(self, name: str, job: str) -> RunContext:
        labels = {"batch.kubernetes.io/job-name": job}
        body = {"metadata": {"uid": name, "labels": labels}, "status": {"phase": "Running"}}
        self.world.put(paths.pods("firedrill", name), body)
        process = Process(self.world, name)
        store = RecordStore(process, self.task, process)
        identity = Identity(name, name, "firedrill", "node-2")
        return RunContext(self.task, process, store, process, identity, self.stop, stores=Loopback())

    async def play(self) -> tuple[Result, Record]:
        guardian = Guardian(self.context("guardian-1", f"{JOB}-guardian"), undo_table("ChaosExperiment"))
        guarding = asyncio.ensure_future(guardian.run())
        result = await chaos.run(self.context("runner-1", JOB))
        self.world.objects[paths.pods("firedrill", "runner-1")]["status"]["phase"] = "Succeeded"
        self.world.objects[paths.jobs("firedrill", JOB)]["status"] = {
            "conditions": [{"type": "Complete", "status": "True"}]
        }
        assert result is not None
        async with asyncio.timeout(120):
            await guarding
        assert RECORD in self.world.objects, result.message
        return result, self.record()

    def record(self) -> Record:
        return Record.model_validate_json(self.world.objects[RECORD]["data"]["record.json"])


@pytest.fixture
async def shop() -> AsyncIterator[Store]:
    with stores.postgres(max_connections=24) as store:
        async with await connect(store) as admin:
            await admin.execute("CREATE TABLE orders (n int)")
            await admin.execute("INSERT INTO orders VALUES (1)")
            await admin.execute(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
            await admin.execute("GRANT SELECT ON orders TO app")
        yield store


async def connect(store: Store) -> psycopg.AsyncConnection[Any]:
    where = f"host=127.0.0.1 port={store.port} user=admin password={PASSWORD} dbname=shop"
    return await psycopg.AsyncConnection.connect(where, autocommit=True)


def asked(store: Store, **fields: Any) -> Object:
    login = {"host": "127.0.0.1", "port": store.port, "secretRef": {"name": "stores"}}
    question = {"database": "shop", "username": "app", "query": "SELECT count(*) FROM orders", "equals": "1"}
    return {"sql": {**login, **question, "interval": "400ms", "timeout": "2s", **fields}}


def on(store: Store, **fields: Any) -> Object:
    login = {"service": "ledger", "port": store.port, "secretRef": {"name": "stores"}}
    return {**login, "database": "shop", "username": "admin", **fields}


CASES: dict[str, tuple[Object, Object]] = {
    "databaseLock": ({"tables": ["orders"]}, {}),
    "databaseSlow": ({"tables": ["orders"], "pulse": "800ms", "interval": "1s"}, {"timeout": "300ms"}),
    "databaseConnections": ({}, {}),
    "databasePassword": ({"role": "app"}, {}),
    "databaseRevoke": ({"role": "app", "tables": ["public.orders"]}, {}),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_client_of_the_database_suffers_and_recovers(name: str, shop: Store) -> None:
    fault, probe = CASES[name]
    run = Run({name: on(shop, **fault)}, asked(shop, **probe))
    result, record = await run.play()
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), result.message
    measured = {each.name: each.value for each in result.measurements}
    assert (measured["successRateBefore"] or 0) >= 0.95
    assert (measured["successRateDuring"] or 0) < 0.8
    assert (measured["successRateAfter"] or 0) >= 0.95
    findings = {each.type: each.reason for each in result.findings}
    assert findings == {"Injected": "FaultObserved", "Recovered": "SteadyStateHolds", "RecoveryVerified": "SeenUndone"}
    assert record.state.settled
    assert PASSWORD not in str(run.world.objects.get(RECORD)) + result.model_dump_json()
    async with await connect(shop) as admin:
        cursor = await admin.execute(
            "SELECT count(*) FILTER (WHERE application_name LIKE 'firedrill-abc%'),"
            " has_table_privilege('app', 'orders', 'SELECT') FROM pg_stat_activity"
        )
        assert await cursor.fetchone() == (0, True)


async def test_a_runner_that_hangs_is_undone_by_the_guardian_over_its_own_login(shop: Store) -> None:
    run = Run({"databaseLock": on(shop, tables=["orders"])}, asked(shop))
    guardian = Guardian(run.context("guardian-1", f"{JOB}-guardian"), undo_table("ChaosExperiment"))
    guarding = asyncio.ensure_future(guardian.run())
    running = asyncio.ensure_future(chaos.run(run.context("runner-1", JOB)))
    async with asyncio.timeout(90):
        while RECORD not in run.world.objects or run.record().state.value != "Applied":  # noqa: ASYNC110 - a state
            await asyncio.sleep(0.1)
        # The runner does nothing any more, and holds its session all the same; its pod counts as gone.
        held = run.record().changes[0]
        assert isinstance(held, SessionsHeld)
        running.cancel()
        run.world.objects[paths.pods("firedrill", "runner-1")]["status"]["phase"] = "Failed"
        await guarding
    record = run.record()
    assert record.state.settled
    assert record.undone_by == "guardian"
    assert f"the server lists no session {held.application}" in record.changes[0].evidence
    await asyncio.gather(running, return_exceptions=True)


async def test_a_flushed_cache_is_filled_again(redis: Store) -> None:
    from redis.asyncio import Redis

    probe = {"host": "127.0.0.1", "port": redis.port, "secretRef": {"name": "stores"}, "key": "session", "database": 5}
    fault = {"service": "ledger", "port": redis.port, "secretRef": {"name": "stores"}, "database": 5}
    run = Run({"cacheFlush": {**fault, "acknowledgeDataLoss": True}}, {"redis": {**probe, "interval": "200ms"}})
    async with Redis(host="127.0.0.1", port=redis.port, db=5, password=PASSWORD) as client:
        await client.set("session", "x")

        async def application() -> None:
            missing = 0
            while True:
                missing = 0 if await client.exists("session") else missing + 1
                if missing > 15:
                    await client.set("session", "x")
                await asyncio.sleep(0.1)

        filling = asyncio.ensure_future(application())
        result, record = await run.play()
        filling.cancel()
    assert (result.verdict, result.reason) == (Verdict.PASSED, "SteadyStateHeld"), result.message
    assert record.residues == ["keys of database 5 are gone: all of them"]
    assert record.changes[0].evidence == "1 keys before, 0 after"
