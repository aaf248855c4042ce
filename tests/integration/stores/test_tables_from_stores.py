"""Tables from a real Postgres and a real Kafka: what is read, and what is said where it can not be."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from firedrill.api.credentials import CredentialsRef
from firedrill.api.data import DataSource
from firedrill.api.datapipelinetest import TopicPipeline
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.login import CredentialsRefused, Login
from firedrill.sources.read import read_table
from firedrill.sources.roundtrip import send_and_await
from firedrill.sources.table import SourceTable
from support.stores import PASSWORD, Store

Object = dict[str, Any]
NOW = datetime(2025, 1, 15, 10, tzinfo=UTC)
TOPICS = {"orders": 3, "empty": 1, "broken": 1, "in": 2, "out": 2}
SETUP = """
CREATE TABLE payments (id bigint, at timestamptz, naive timestamp, amount numeric(12,2), free numeric, note text,
    tags text[], doc jsonb, who uuid, host inet, day date, ok boolean, rate double precision);
INSERT INTO payments VALUES
    (1, '2025-01-15 09:30:00Z', '2025-01-15 09:30', 10.10, 1.5, 'a', '{x,y}', '{"k": 1}',
     '00000000-0000-0000-0000-000000000001', '10.0.0.1', '2025-01-15', true, 'NaN'),
    (2, '2025-01-08 09:30:00Z', '2025-01-08 09:30', 20.05, 22.125, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1),
    (3, '2025-01-15 08:30:00Z', NULL, NULL, NULL, 'c', '{}', '[]', NULL, NULL, NULL, false, 2);
CREATE TABLE many AS SELECT n, CASE WHEN n > 15000 THEN n::numeric / 8 END AS late FROM generate_series(1, 25000) n;
CREATE TABLE kept (n int);
CREATE ROLE weak LOGIN PASSWORD 'wonderland';
"""


@pytest.fixture(scope="module")
def shop(postgres: Store) -> Store:
    with psycopg.connect(f"host=127.0.0.1 port={postgres.port} user=admin password={PASSWORD} dbname=shop") as admin:
        admin.execute(SETUP)
    return postgres


async def login(ref: CredentialsRef | None, *, tls: bool = False, username: str = "") -> Login:
    if ref is not None and ref.name == "missing":
        raise CredentialsRefused("Secret firedrill/missing does not exist")
    return Login(username, PASSWORD if ref is None or ref.name != "wrong" else "guess", tls=tls)


async def read(source: Object) -> SourceTable:
    async with httpx.AsyncClient() as http:
        context = SourceContext(http, read_login=login, now=NOW)
        return await read_table(DataSource.model_validate(source), context, "spec.current")


def sql(store: Store, query: str, **fields: Any) -> Object:
    return {"host": store.host, "port": store.port, "database": "shop", "username": "admin", "query": query, **fields}


def column(table: SourceTable, name: str) -> list[Any]:
    found: list[Any] = table.column(list(table.names).index(name)).to_pylist()
    return found


async def test_every_type_of_postgres_comes_as_what_it_is(shop: Store) -> None:
    table = await read({"sql": sql(shop, "SELECT * FROM payments ORDER BY id -- all")})
    assert column(table, "amount") == [Decimal("10.10"), Decimal("20.05"), None]
    assert column(table, "free") == [Decimal("1.500"), Decimal("22.125"), None]
    assert column(table, "at")[0] == datetime(2025, 1, 15, 9, 30, tzinfo=UTC)
    assert column(table, "who")[0] == "00000000-0000-0000-0000-000000000001"
    assert column(table, "host")[0] == "10.0.0.1"
    assert column(table, "tags") == [["x", "y"], None, []]
    assert column(table, "ok") == [True, None, False]


@pytest.mark.parametrize(
    ("window", "ids"),
    [
        ({"column": "at", "last": "1h"}, [1]),
        ({"column": "at", "last": "1h", "offset": "168h"}, [2]),
        ({"column": "naive", "last": "1h"}, [1]),
        ({"column": "at", "until": "2025-01-15T09:00:00Z"}, [2, 3]),
    ],
)
async def test_the_server_is_asked_for_the_window_alone(shop: Store, window: Object, ids: list[int]) -> None:
    table = await read({"sql": sql(shop, "SELECT id, at, naive FROM payments; "), "window": window})
    assert sorted(column(table, "id")) == ids


async def test_batches_whose_types_differ_are_one_column(shop: Store) -> None:
    table = await read({"sql": sql(shop, "TABLE many")})
    assert (table.num_rows, sum(column(table, "n"))) == (25000, 25000 * 25001 // 2)
    assert column(table, "late")[14_999:15_001] == [None, Decimal("1875.125")]
    assert (await read({"sql": sql(shop, "SELECT * FROM kept")})).names == ["n"]


@pytest.mark.parametrize(
    ("query", "fields", "reason", "said"),
    [
        (
            "SELECT FROM WHERE",
            {},
            SourceReason.INVALID_DATA,
            "sql.query: the query is wrong: syntax error",
        ),
        ("SELECT * FROM nowhere", {}, SourceReason.INVALID_DATA, 'relation "nowhere" does not exist (42P01)'),
        ("SELECT 1/0", {}, SourceReason.INVALID_DATA, "division by zero"),
        ("SELECT 'infinity'::timestamptz", {}, SourceReason.INVALID_DATA, "sql.query"),
        ("SELECT pg_sleep(30)", {"timeout": "500ms"}, SourceReason.UNREACHABLE, "longer than 0.5 s"),
        ("TABLE many", {"maxRows": 10_000}, SourceReason.INVALID_DATA, "more than maxRows (10000) rows"),
        (
            "TABLE payments",
            {"username": "weak"},
            SourceReason.NOT_ALLOWED,
            "permission denied for table payments",
        ),
        ("SELECT 1", {"secretRef": {"name": "wrong"}}, SourceReason.NOT_ALLOWED, "password authentication failed"),
        ("SELECT 1", {"secretRef": {"name": "missing"}}, SourceReason.NOT_ALLOWED, "sql.secretRef: Secret firedrill/"),
        ("SELECT 1", {"database": "none"}, SourceReason.NOT_ALLOWED, 'database "none" does not exist'),
        ("SELECT 1", {"port": 9, "timeout": "3s"}, SourceReason.UNREACHABLE, "can not be reached"),
        ("SELECT 1", {"tls": True, "timeout": "3s"}, SourceReason.UNREACHABLE, "SSL"),
    ],
)
async def test_what_postgres_refuses(shop: Store, query: str, fields: Object, reason: SourceReason, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        await read({"sql": sql(shop, query, **fields)})
    assert (caught.value.reason, said in str(caught.value)) == (reason, True), str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (INSERT INTO kept VALUES (1) RETURNING n) SELECT n FROM gone",
        "SELECT 1; DROP TABLE kept",
        "SELECT 1; COMMIT; DROP TABLE kept",
        "SELECT 1; COMMIT; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; DROP TABLE kept",
    ],
)
@pytest.mark.parametrize("window", [None, {"column": "n", "last": "1h"}])
async def test_a_query_changes_nothing(shop: Store, query: str, window: Object | None) -> None:
    with pytest.raises(SourceError):
        await read({"sql": sql(shop, query), **({"window": window} if window else {})})
    with psycopg.connect(f"host=127.0.0.1 port={shop.port} user=admin password={PASSWORD} dbname=shop") as admin:
        assert admin.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.fixture(scope="module")
def orders(kafka: Store) -> Store:
    asyncio.run(_filled(kafka))
    return kafka


async def _filled(kafka: Store) -> None:
    where = f"{kafka.host}:{kafka.port}"
    admin = AIOKafkaAdminClient(bootstrap_servers=where)
    await admin.start()
    await admin.create_topics([NewTopic(name, count, 1) for name, count in TOPICS.items()])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=where) as producer:
        for number in range(30):
            at = round((NOW - timedelta(hours=30 - number)).timestamp() * 1000)
            body = json.dumps({"n": number, "item": {"x": 1}}, indent=1).encode()
            await producer.send_and_wait("orders", body, partition=number % 3, timestamp_ms=at)
        await producer.send_and_wait("orders", None, key=b"gone", partition=0, timestamp_ms=at)
        await producer.send_and_wait("broken", b'{"n": 1}')
        await producer.send_and_wait("broken", b"<html>")


def topic(store: Store, name: str = "orders", **fields: Any) -> Object:
    return {"host": store.host, "port": store.port, "topic": name, "timeout": "20s", **fields}


@pytest.mark.parametrize(
    ("fields", "window", "expected"),
    [
        ({}, None, list(range(30))),
        ({"lastMessages": 4}, None, [26, 27, 28, 29]),
        ({}, {"last": "3h"}, [27, 28, 29]),
        ({}, {"last": "2h", "offset": "10h"}, [18, 19]),
        ({}, {"until": "2025-01-14T06:00:00Z"}, [0, 1]),
        ({}, {"from": "2026-01-01T00:00:00Z"}, []),
    ],
)
async def test_the_messages_of_a_window(orders: Store, fields: Object, window: Object, expected: list[int]) -> None:
    table = await read({"kafka": topic(orders, **fields), **({"window": window} if window else {})})
    assert (column(table, "n") if table.num_rows else []) == expected


async def test_no_group_is_joined_and_nothing_is_committed(orders: Store) -> None:
    await read({"kafka": topic(orders)})
    admin = AIOKafkaAdminClient(bootstrap_servers=f"{orders.host}:{orders.port}")
    await admin.start()
    try:
        assert await admin.list_consumer_groups() == []
    finally:
        await admin.close()


async def test_an_empty_topic_is_a_table_without_rows(orders: Store) -> None:
    assert (await read({"kafka": topic(orders, "empty")})).num_rows == 0


@pytest.mark.parametrize(
    ("name", "fields", "reason", "said"),
    [
        ("nowhere", {}, SourceReason.NOT_FOUND, "kafka.topic: there is no topic 'nowhere'"),
        ("broken", {}, SourceReason.INVALID_DATA, "topic 'broken', partition 0, offset 1: not JSON"),
        ("orders", {"maxMessages": 5}, SourceReason.INVALID_DATA, "more than maxMessages (5)"),
        ("orders", {"port": 9, "timeout": "3s"}, SourceReason.UNREACHABLE, "Kafka at 127.0.0.1:9 can not be read"),
    ],
)
async def test_what_kafka_has_not(orders: Store, name: str, fields: Object, reason: SourceReason, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        await read({"kafka": topic(orders, name, **fields)})
    assert (caught.value.reason, said in str(caught.value)) == (reason, True), str(caught.value)


async def test_a_broker_that_is_silent_is_given_up_in_time() -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    store = Store(server.sockets[0].getsockname()[1])
    try:
        for source in ({"kafka": topic(store, timeout="1s")}, {"sql": sql(store, "SELECT 1", timeout="1s")}):
            with pytest.raises(SourceError) as caught:
                await read(source)
            assert caught.value.reason is SourceReason.UNREACHABLE
    finally:
        server.close()


async def _pipeline(where: str, *, lose: int, delay: float) -> None:
    """Copies messages from one topic to another, as a service would, but for some of them."""
    consumer = AIOKafkaConsumer("in", bootstrap_servers=where, group_id=None, auto_offset_reset="latest")
    await consumer.start()
    producer = AIOKafkaProducer(bootstrap_servers=where)
    await producer.start()
    try:
        async for message in consumer:
            if json.loads(message.value)["id"] >= lose:
                await asyncio.sleep(delay)
                await producer.send("out", message.value)
    finally:
        await consumer.stop()
        await producer.stop()


@pytest.mark.parametrize(("lose", "missing"), [(0, 0), (3, 3)])
async def test_messages_through_a_pipeline_are_timed_and_those_that_are_lost_are_missed(
    orders: Store, lose: int, missing: int
) -> None:
    where = f"{orders.host}:{orders.port}"
    piping = asyncio.ensure_future(_pipeline(where, lose=lose, delay=0.005))
    try:
        await asyncio.sleep(3)
        pipeline = TopicPipeline(
            host=orders.host, port=orders.port, messages="m", input="in", output="out", key="id", timeout="8s"
        )
        rows = [{"id": number, "at": NOW} for number in range(50)]
        found = await send_and_await(pipeline, Login(), rows, "spec.pipeline.topic")
    finally:
        piping.cancel()
        await asyncio.gather(piping, return_exceptions=True)
    assert (len(found.latencies), found.missing) == (50 - missing, missing)
    assert all(each > 0.004 for each in found.latencies)


@pytest.mark.parametrize(
    ("fields", "rows", "said"),
    [
        ({"output": "nowhere"}, [{"id": 1}], "topic.output: there is no topic 'nowhere'"),
        ({}, [{"id": 1}, {"n": 2}], "topic.key: row 2 of table 'm' has no 'id'"),
        ({}, [{"id": 1}, {"id": 1}], "topic.key: values of 'id' repeat in table 'm'"),
        ({"port": 9}, [{"id": 1}], "Kafka at 127.0.0.1:9"),
    ],
)
async def test_a_pipeline_of_topics_that_can_not_be_meant(orders: Store, fields: Object, rows: Any, said: str) -> None:
    made = {"host": orders.host, "port": orders.port, "messages": "m", "input": "in", "output": "out", "key": "id"}
    with pytest.raises(SourceError) as caught:
        await send_and_await(TopicPipeline.model_validate(made | fields), Login(), rows, "spec.pipeline.topic")
    assert said in str(caught.value)
