"""Probes of data stores, asked of real ones: what is good, what is a failure, and what says nothing."""

import asyncio
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from store_support import SECRET, SECRET_PATH, context_with_secret

from firedrill.api.chaosexperiment import SteadyState
from firedrill.runner.asking import Asking, asking
from firedrill.runner.context import RunContext
from support.stores import PASSWORD, Store

Object = dict[str, Any]
CREDENTIALS = {"secretRef": {"name": SECRET}}
AWAY = Store(9)


def ask_for(kind: str, store: Store, context: RunContext, **fields: Any) -> Asking:
    probe = {"host": store.host, "port": store.port, **CREDENTIALS, **fields}
    return asking(SteadyState.model_validate({kind: probe, "window": "60s"}).probe, context)


def sql(store: Store, query: str, **fields: Any) -> Asking:
    probe = {"database": "shop", "query": query, **fields}
    if "min" not in probe and "max" not in probe:
        probe.setdefault("equals", "1")
    return ask_for("sql", store, context_with_secret("admin"), **probe)


async def answer(ask: Asking) -> tuple[bool | None, str]:
    assert await ask.ready() is None
    try:
        return await ask()
    finally:
        await ask.close()


def connect(store: Store) -> psycopg.Connection[Any]:
    where = f"host=127.0.0.1 port={store.port} user=admin password={PASSWORD} dbname=shop"
    return psycopg.connect(where, autocommit=True)


@pytest.mark.parametrize(
    ("query", "fields", "expected"),
    [
        ("SELECT 1", {}, (True, "")),
        ("  select 2", {}, (False, "2")),
        ("SELECT 3.50::numeric", {"equals": "3.50"}, (True, "")),
        ("SELECT true", {"equals": "t"}, (True, "")),
        ("SELECT '100%'", {"equals": "100%"}, (True, "")),
        ("SELECT count(*) FROM pg_class", {"min": 1}, (True, "")),
        ("SELECT 7", {"min": 1, "max": 6}, (False, "7")),
        ("SELECT 'many'", {"max": 6}, (False, "many")),
        ("SELECT NULL::int", {}, (False, "null")),
        ("SELECT 1 WHERE false", {}, (False, "no row")),
        ("SHOW server_encoding", {"equals": "UTF8"}, (True, "")),
        ("SELECT 1, 2", {}, (None, "the query has more than one value")),
        ("VALUES (1), (2)", {}, (None, "the query has more than one value")),
        ("SELECT FROM WHERE", {}, (None, 'the query is wrong: syntax error at or near "WHERE"')),
        ("SELECT 1 FROM nowhere", {}, (False, "UndefinedTable (42P01)")),
        ("SELECT pg_sleep(30)::text", {"timeout": "500ms"}, (False, "QueryCanceled (57014)")),
    ],
)
async def test_the_value_of_a_query(postgres: Store, query: str, fields: Object, expected: tuple[Any, str]) -> None:
    good, why = await answer(sql(postgres, query, **fields))
    # Whether the server gives up first, or we do, is a matter of milliseconds.
    assert (good, why) == expected or (why == "timeout" and "QueryCanceled" in expected[1])


async def test_a_query_changes_nothing(postgres: Store) -> None:
    with connect(postgres) as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        for query, why in (
            ("WITH gone AS (INSERT INTO kept VALUES (1) RETURNING n) SELECT n FROM gone", "ReadOnlySqlTransaction"),
            ("SELECT 1; DROP TABLE kept", "the query is wrong"),
            ("SELECT 1; COMMIT; DROP TABLE kept", "the query is wrong"),
        ):
            good, told = await answer(sql(postgres, query))
            assert good is not True
            assert why in told
        assert admin.execute("SELECT count(*) FROM kept").fetchone() == (0,)


async def test_a_database_that_is_away_locked_or_refuses_the_login_is_a_failure(postgres: Store) -> None:
    assert (await answer(sql(AWAY, "SELECT 1")))[0] is False
    wrong = ask_for("sql", postgres, context_with_secret("nobody"), database="shop", query="SELECT 1", equals="1")
    assert await answer(wrong) == (False, "OperationalError")
    with connect(postgres) as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS locked (n int)")
        with admin.transaction():
            admin.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
            assert (await answer(sql(postgres, "SELECT count(*) FROM locked", equals="0", timeout="400ms")))[0] is False
    assert await answer(sql(postgres, "SELECT count(*) FROM locked", equals="0")) == (True, "")


async def test_credentials_are_those_that_admit_the_resource_and_no_others() -> None:
    context = context_with_secret("admin", hub_namespace="other-team")
    refusal = await ask_for("sql", AWAY, context, database="shop", query="SELECT 1", equals="1").ready()
    assert refusal is not None
    assert (refusal.reason, PASSWORD in refusal.message) == ("NotPermitted", False)
    assert "firedrill.dev/hub-namespace=sre" in refusal.message
    context = context_with_secret("admin")
    context.client.world.remove(SECRET_PATH)  # type: ignore[attr-defined]
    refusal = await ask_for("redis", AWAY, context).ready()
    assert refusal is not None
    assert refusal.message == "Secret firedrill/stores does not exist"


async def test_a_redis_answers_or_not(redis: Store) -> None:
    context = context_with_secret()
    assert await answer(ask_for("redis", redis, context)) == (True, "")
    assert await answer(ask_for("redis", redis, context, key="colour")) == (False, "no such key")
    assert (await answer(ask_for("redis", AWAY, context)))[0] is False
    stranger = asking(SteadyState.model_validate({"redis": {"host": redis.host, "port": redis.port}}).probe, context)
    assert await answer(stranger) == (False, "AuthenticationError")
    from redis.asyncio import Redis

    async with Redis(host=redis.host, port=redis.port, password=PASSWORD) as client:
        await client.set("colour", "green")
        assert await answer(ask_for("redis", redis, context, key="colour", equals="green")) == (True, "")
        assert await answer(ask_for("redis", redis, context, key="colour", equals="red")) == (False, "green")
        await client.flushdb()


async def test_the_lag_of_a_group(kafka: Store) -> None:
    context, where = context_with_secret(), f"{kafka.host}:{kafka.port}"

    def lag(**fields: Any) -> Asking:
        probe = {"host": kafka.host, "port": kafka.port, "topic": "orders", "group": "billing", "maxLag": 5, **fields}
        state = {"kafka": {"timeout": "20s", **probe}, "window": "60s"}
        return asking(SteadyState.model_validate(state).probe, context)

    producer = AIOKafkaProducer(bootstrap_servers=where)
    await producer.start()
    consumer = AIOKafkaConsumer(bootstrap_servers=where, group_id="billing", enable_auto_commit=False)
    await consumer.start()
    try:
        for number in range(12):
            await producer.send_and_wait("orders", b"x", partition=number % 4)
        assert await answer(lag()) == (None, "group billing has committed nothing for topic orders")
        assert await answer(lag(topic="nowhere")) == (None, "there is no topic nowhere")
        partitions = [TopicPartition("orders", number) for number in range(4)]
        consumer.assign(partitions)
        await consumer.commit({partitions[0]: OffsetAndMetadata(1, "")})
        # Two wait in the first; in the others, that it never came to, all three.
        assert await answer(lag()) == (False, "lag 11")
        assert await answer(lag(maxLag=11)) == (True, "")
        await consumer.commit({each: OffsetAndMetadata(3, "") for each in partitions})
        assert await answer(lag(maxLag=0)) == (True, "")
        assert (await answer(lag(port=9, timeout="2s")))[0] is False
    finally:
        await consumer.stop()
        await producer.stop()


async def test_a_broker_that_does_not_answer_is_a_failure_in_time() -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        for kind, fields in (
            ("kafka", {"topic": "orders", "group": "billing", "maxLag": 5}),
            ("redis", {}),
            ("sql", {"database": "shop", "query": "SELECT 1", "equals": "1"}),
        ):
            ask = ask_for(kind, Store(port), context_with_secret("admin"), timeout="500ms", **fields)
            assert await answer(ask) == (False, "timeout"), kind
    finally:
        server.close()
