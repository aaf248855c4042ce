"""What data faults do to real data stores: it hurts, it ends, and left alone the server ends it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from firedrill.api.changes import Grant
from firedrill.runner.data.kafka import KafkaBroker
from firedrill.runner.data.postgres import PostgresDatabase
from firedrill.runner.data.redis import RedisCache
from firedrill.runner.data.stores import StoreError, StoreUnreachable
from firedrill.runner.data.verifiers import unmatched_verifier
from firedrill.sources.kafka import Kafka
from firedrill.sources.postgres import Postgres
from firedrill.sources.redis import RedisServer
from support import stores
from support.stores import PASSWORD, Store

OURS = "firedrill-abc1234567"


def server(store: Store, username: str = "admin", password: str = PASSWORD) -> Postgres:
    return Postgres(store.host, store.port, "shop", username, password)


def client(store: Store, username: str = "admin") -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
    return client_of(store, username, PASSWORD)


@asynccontextmanager
async def client_of(store: Store, username: str, password: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    where = f"host=127.0.0.1 port={store.port} user={username} dbname=shop"
    connection = await psycopg.AsyncConnection.connect(where, password=password, autocommit=True)
    try:
        yield connection
    finally:
        await connection.close()


async def sessions(store: Store) -> int:
    async with client(store) as admin:
        cursor = await admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (OURS,))
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def gone(store: Store) -> None:
    async with asyncio.timeout(30):
        while await sessions(store):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.1)


@pytest.fixture
async def shop(postgres: Store) -> Store:
    """Fresh tables and roles: ``app`` was granted some of it, ``owner`` owns one."""
    async with client(postgres) as admin:
        for statement in (
            'DROP TABLE IF EXISTS orders, mine, "Odd"',
            "DROP ROLE IF EXISTS app",
            "DROP ROLE IF EXISTS owner",
            f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'",
            f"CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'",
            "CREATE TABLE orders (n int)",
            'CREATE TABLE "Odd" (n int)',
            "INSERT INTO orders VALUES (1)",
            "CREATE TABLE mine (n int)",
            "ALTER TABLE mine OWNER TO owner",
            "GRANT SELECT, INSERT ON orders TO app",
            "GRANT UPDATE ON orders TO app WITH GRANT OPTION",
        ):
            await admin.execute(statement)
    return postgres


async def blocked(store: Store) -> bool:
    async with client(store) as reader:
        await reader.execute("SET statement_timeout = 300")
        try:
            await reader.execute("SELECT * FROM orders")
        except psycopg.errors.QueryCanceled:
            return True
        return False


async def test_a_lock_holds_is_seen_and_ends_by_whoever_asks(shop: Store) -> None:
    database = PostgresDatabase(server(shop))
    assert await database.why_not_lockable(["public.orders", "Odd"]) == ""
    held = await database.lock(OURS, ["public.orders", "Odd"], 60)
    assert await blocked(shop)
    waiter = asyncio.ensure_future(blocked(shop))
    await asyncio.sleep(0.15)
    assert await held.look() == (True, "the server lists 2 tables locked by us, and 1 sessions that wait for them")
    await waiter
    # Another process, that knows no more than the name.
    assert await PostgresDatabase(server(shop)).end_sessions(OURS) == 1
    await gone(shop)
    assert not await blocked(shop)
    assert await held.look() == (False, "")
    await held.close()


async def test_a_lock_that_is_left_alone_is_ended_by_the_server(shop: Store) -> None:
    held = await PostgresDatabase(server(shop)).lock(OURS, ["orders"], 0.6)
    assert await blocked(shop)
    await gone(shop)
    assert not await blocked(shop)
    await held.close()


async def test_pulses_let_others_through_in_between(shop: Store) -> None:
    held = await PostgresDatabase(server(shop)).pulse(OURS, ["orders"], 0.4, 0.5, 60)
    async with client(shop) as reader:
        for _ in range(8):
            await reader.execute("SELECT * FROM orders")
            await asyncio.sleep(0.05)
    alive, effect = await held.look()
    assert alive
    assert "sessions waited for them" in effect
    await held.close()
    await gone(shop)


async def test_what_can_not_be_locked_is_told(shop: Store) -> None:
    assert await PostgresDatabase(server(shop)).why_not_lockable(["nowhere"]) == "there is no table nowhere"
    as_app = PostgresDatabase(server(shop, "app"))
    assert await as_app.why_not_lockable(["orders"]) == ""
    assert await as_app.why_not_lockable(["mine"]) == "role app may not lock table mine: it may not change its rows"
    with pytest.raises(StoreUnreachable, match="password authentication failed") as told:
        await PostgresDatabase(server(shop, "app", "wrong-password")).reach()
    assert "wrong-password" not in str(told.value)
    with pytest.raises(StoreUnreachable):
        await PostgresDatabase(server(Store(9))).reach()


@pytest.fixture
def small() -> Iterator[Store]:
    with stores.postgres(max_connections=12) as store:
        yield store


async def test_connections_are_taken_but_for_a_reserve_and_come_back(small: Store) -> None:
    database = PostgresDatabase(server(small))
    assert "maxSessions is 2" in await database.why_not_fillable(0, 2)
    assert await database.why_not_fillable(2, 500) == ""
    held = await database.fill(OURS, 2, 500, 60)
    assert await held.look() == (True, "10 sessions of ours, 2 of 12 connections are left")
    assert "there is nothing to take" in await database.why_not_fillable(2, 500)
    await held.close()
    await gone(small)
    held = await database.fill(OURS, 0, 500, 1.0)
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        async with client(small):
            pass
    # Nobody can log in to end them: the server does.
    with pytest.raises((StoreError, StoreUnreachable)):
        await database.end_sessions(OURS)
    await asyncio.sleep(1.0)
    async with asyncio.timeout(60):
        while True:
            try:
                await gone(small)
                break
            except psycopg.OperationalError:
                await asyncio.sleep(0.2)
    await held.close()


async def test_grants_are_revoked_and_come_back_exactly(shop: Store) -> None:
    database = PostgresDatabase(server(shop))
    assert await database.why_not_revocable("orders", "app") == ""
    before = await database.table("orders", "app")
    assert before is not None
    assert before.grants == (
        Grant(privilege="INSERT"),
        Grant(privilege="SELECT"),
        Grant(privilege="UPDATE", grantable=True),
    )
    assert await database.revoke(OURS, before, "app")
    async with client(shop, "app") as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await app.execute("SELECT * FROM orders")
        empty = await database.table("orders", "app")
        assert empty is not None
        assert empty.grants == ()
        await database.grant(before, "app", before.grants)
        await app.execute("SELECT * FROM orders")
    assert await database.table("orders", "app") == before


async def test_an_owner_can_lose_what_is_its_own(shop: Store) -> None:
    database = PostgresDatabase(server(shop))
    before = await database.table("mine", "owner")
    assert before is not None
    assert await database.revoke(OURS, before, "owner")
    async with client(shop, "owner") as owner:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await owner.execute("SELECT * FROM mine")
        await database.grant(before, "owner", before.grants)
        await owner.execute("SELECT * FROM mine")
    assert await database.table("mine", "owner") == before


@pytest.mark.parametrize(
    ("login", "table", "role", "prepare", "says"),
    [
        ("admin", "nowhere", "app", "", "there is no table nowhere, or no role app"),
        ("admin", "orders", "nobody", "", "there is no table orders, or no role nobody"),
        ("admin", "orders", "admin", "", "role admin is a superuser"),
        ("owner", "orders", "app", "", "role owner does not own table orders"),
        ("admin", "orders", "app", "GRANT SELECT (n) ON orders TO app", "has grants on single columns of orders"),
        ("admin", "orders", "app", "SET ROLE app; GRANT UPDATE ON orders TO owner", "has granted rights on orders"),
    ],
)
async def test_what_would_not_come_back_exactly_is_refused(
    shop: Store, login: str, table: str, role: str, prepare: str, says: str
) -> None:
    async with client(shop) as admin:
        if prepare:
            await admin.execute(prepare)  # type: ignore[arg-type]
    assert says in await PostgresDatabase(server(shop, login)).why_not_revocable(table, role)
    async with client(shop) as admin:
        await admin.execute("REVOKE ALL ON orders FROM app CASCADE")


async def logs_in(store: Store, username: str, password: str = PASSWORD) -> bool:
    try:
        await PostgresDatabase(server(store, username, password)).reach()
    except StoreUnreachable as error:
        if "password authentication failed" in str(error):
            return False
        raise
    return True


async def test_a_password_is_wrong_and_then_the_very_same_again(shop: Store) -> None:
    database = PostgresDatabase(server(shop))
    async with client(shop) as admin:
        await admin.execute("ALTER ROLE app PASSWORD 'wonder''land' VALID UNTIL '2099-01-01'")
    try:
        assert await database.why_not_changeable("app") == ""
        before = await database.password("app")
        assert before is not None
        assert before.verifier.startswith("SCRAM-SHA-256$")
        ours = unmatched_verifier()
        async with client_of(shop, "app", "wonder'land") as pooled:
            assert await database.swap_password(before.oid, before.verifier, ours, OURS)
            assert await database.swap_password(before.oid, before.verifier, ours, OURS), "asked twice, it is the same"
            assert not await logs_in(shop, "app", "wonder'land")
            assert (await (await pooled.execute("SELECT 1")).fetchone()) == (1,), "what is open stays"
            assert await database.end_sessions_of(before.oid) == 1
            with pytest.raises(psycopg.OperationalError):
                await pooled.execute("SELECT 1")
        assert not await database.swap_password(before.oid, "md5" + "0" * 32, before.verifier), "only where ours is"
        assert await database.swap_password(before.oid, ours, before.verifier)
        assert await logs_in(shop, "app", "wonder'land")
        assert await database.password(before.oid, by_oid=True) == before
        async with client(shop) as admin:
            cursor = await admin.execute("SELECT rolvaliduntil::date::text FROM pg_roles WHERE rolname = 'app'")
            assert await cursor.fetchone() == ("2099-01-01",)
    finally:
        async with client(shop) as admin:
            await admin.execute(f"ALTER ROLE app PASSWORD '{PASSWORD}' VALID UNTIL 'infinity'".encode())


async def test_an_old_verifier_comes_back_as_old_as_it_was(shop: Store) -> None:
    database = PostgresDatabase(server(shop))
    async with client(shop) as admin:
        await admin.execute("SET password_encryption = 'md5'")
        await admin.execute(f"ALTER ROLE app PASSWORD '{PASSWORD}'".encode())
    assert await database.why_not_changeable("app") == ""
    before = await database.password("app")
    assert before is not None
    assert before.verifier.startswith("md5")
    ours = unmatched_verifier()
    assert await database.swap_password(before.oid, before.verifier, ours)
    assert await database.swap_password(before.oid, ours, before.verifier)
    assert await database.password("app") == before


async def test_who_changes_a_password_at_the_same_time_loses_nothing(shop: Store) -> None:
    database = PostgresDatabase(server(shop))
    before = await database.password("app")
    assert before is not None
    async with client(shop) as admin, admin.transaction():
        await admin.execute("ALTER ROLE app PASSWORD 'theirs'")
        swapping = asyncio.ensure_future(database.swap_password(before.oid, before.verifier, unmatched_verifier()))
        await asyncio.sleep(0.5)
        assert not swapping.done(), "it waits for the other"
    with suppress(StoreError):
        assert not await swapping
    assert await logs_in(shop, "app", "theirs")
    async with client(shop) as admin:
        await admin.execute(f"ALTER ROLE app PASSWORD '{PASSWORD}'".encode())


async def test_verifiers_are_in_no_log_of_the_server(postgres: Store, shop: Store) -> None:
    async with client(shop) as admin:
        for setting in ("log_statement = 'all'", "log_min_duration_statement = 0"):
            await admin.execute(f"ALTER SYSTEM SET {setting}".encode())
        await admin.execute("SELECT pg_reload_conf()")
        cursor = await admin.execute("SELECT current_setting('data_directory')")
        (folder,) = await cursor.fetchone()  # type: ignore[misc]
    try:
        database = PostgresDatabase(server(shop))
        assert await database.why_not_changeable("app") == ""
        before = await database.password("app")
        assert before is not None
        ours = unmatched_verifier()
        assert await database.swap_password(before.oid, before.verifier, ours)
        assert await database.swap_password(before.oid, ours, before.verifier)
    finally:
        async with client(shop) as admin:
            await admin.execute("ALTER SYSTEM RESET ALL")
            await admin.execute("SELECT pg_reload_conf()")
    logged = (Path(folder).parent / "log").read_text()
    assert "SELECT oid::text" in logged, "that one was logged shows that the others would have been"
    assert "SCRAM-SHA-256$" not in logged


@pytest.mark.parametrize(
    ("login", "role", "prepare", "says"),
    [
        ("admin", "nobody", "", "there is no role nobody"),
        ("admin", "admin", "", "role admin logs in for us"),
        ("owner", "app", "", "role owner is no superuser"),
        ("admin", "app", "ALTER ROLE app NOLOGIN", "role app may not log in"),
        ("admin", "app", "ALTER ROLE app PASSWORD NULL", "role app has no password"),
    ],
)
async def test_a_password_that_would_not_come_back_is_not_touched(
    shop: Store, login: str, role: str, prepare: str, says: str
) -> None:
    async with client(shop) as admin:
        if prepare:
            await admin.execute(prepare)  # type: ignore[arg-type]
    assert says in await PostgresDatabase(server(shop, login)).why_not_changeable(role)


async def test_keys_are_deleted_all_or_by_pattern(redis: Store) -> None:
    from redis.asyncio import Redis

    cache = RedisCache(RedisServer(redis.host, redis.port, 3, password=PASSWORD))
    async with Redis(host=redis.host, port=redis.port, db=3, password=PASSWORD) as keys:
        for number in range(1200):
            await keys.set(f"{'cart' if number % 2 else 'user'}:{number}", "x")
        assert await cache.flush("cart:*") == (1200, 600)
        assert await cache.flush(None) == (600, 0)
    with pytest.raises(StoreError, match="AuthenticationError"):
        await RedisCache(RedisServer(redis.host, redis.port)).flush(None)


async def settled(ask: Callable[[], Awaitable[Any]]) -> Any:
    """What a broker answers that may just have begun."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await ask()
            except StoreUnreachable:
                await asyncio.sleep(0.3)


async def test_a_member_that_does_nothing_takes_partitions_and_gives_them_back(kafka: Store) -> None:
    where = f"{kafka.host}:{kafka.port}"
    broker = KafkaBroker(Kafka(kafka.host, kafka.port))
    (place,) = await broker.produce("events", 0, [b"\xff"])
    assert place == "events/0@0"
    assert "has no members" in await settled(lambda: broker.why_not_joinable("readers", "events"))
    assert await broker.why_not_joinable("readers", "nowhere") == "there is no topic nowhere"
    # A protocol that members of ours have to take up: the group refuses every other one.
    theirs = type("Theirs", (RangePartitionAssignor,), {"name": "cooperative-sticky"})
    reader = AIOKafkaConsumer(
        "events",
        bootstrap_servers=where,
        group_id="readers",
        heartbeat_interval_ms=300,
        partition_assignment_strategy=[theirs],
    )
    await reader.start()

    async def reads(count: int) -> None:
        async with asyncio.timeout(60):
            while len(reader.assignment()) != count:
                await reader.getmany(timeout_ms=200)

    try:
        await reads(4)
        assert await broker.why_not_joinable("readers", "events") == ""
        joined = asyncio.ensure_future(broker.join("readers", "events", OURS, 1, 300))
        await reads(2)
        held = await joined
        alive, effect = await held.look()
        assert alive
        assert effect.count("events/") == 2
        await held.close()
        assert await broker.evict("readers", OURS) == 0
        await reads(4)
    finally:
        await reader.stop()


async def test_a_member_of_a_process_that_is_gone_can_be_let_go_by_another(kafka: Store) -> None:
    broker = KafkaBroker(Kafka(kafka.host, kafka.port))
    await broker.produce("events", 1, [b"x"])
    held = await settled(lambda: broker.join("orphans", "events", OURS, 2, 300))
    # Its heart stops, its connections with it; nobody leaves.
    for consumer in held._consumers:  # type: ignore[attr-defined]
        consumer._coordinator._coordination_task.cancel()
        await consumer._coordinator._stop_heartbeat_task()
    assert await broker.evict("orphans", OURS) == 2
    assert await broker.evict("orphans", OURS) == 0
    await held.close()
