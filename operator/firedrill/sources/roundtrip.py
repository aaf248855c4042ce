"""Messages through a pipeline: written to a topic, awaited in another one."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from firedrill.api.datapipelinetest import TopicPipeline
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.kafka import Kafka
from firedrill.sources.login import Login

_POLL_MS: Final = 100


@dataclass(frozen=True)
class RoundTrip:
    """Seconds of each message that came out, how many did not, and how long it all took."""

    latencies: tuple[float, ...]
    missing: int
    seconds: float


async def send_and_await(
    pipeline: TopicPipeline, login: Login, messages: Sequence[dict[str, Any]], field: str
) -> RoundTrip:
    """Write messages at the rate, and read what comes out until each key was seen or the time is up.

    Latency is from the time that the rate has intended, so that a broker that stalls is not flattered. Raises
    SourceError: Unreachable where no broker answers, NotFound for a topic that is not there, InvalidData for messages
    without a key, or with one that repeats.
    """
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.errors import KafkaError

    keys = _keys(messages, pipeline, field)
    kafka = Kafka(pipeline.host, pipeline.port, login.username, login.password, login.ssl_context())
    options = kafka.options(min(pipeline.timeout.total_seconds(), 30.0))
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False)
    producer = AIOKafkaProducer(**options)
    kafka.reach(consumer._client)
    kafka.reach(producer.client)
    try:
        try:
            await consumer.start()
            await producer.start()
            await _at_the_end(consumer, pipeline, field)
            return await _exchange(consumer, producer, pipeline, messages, keys)
        finally:
            await consumer.stop()
            await producer.stop()
    except (KafkaError, OSError) as error:
        message = f"Kafka at {pipeline.host}:{pipeline.port}: {type(error).__name__}: {str(error)[:200]}"
        raise SourceError(SourceReason.UNREACHABLE, field, message) from error


def _keys(messages: Sequence[dict[str, Any]], pipeline: TopicPipeline, field: str) -> list[str]:
    keys = []
    for row, message in enumerate(messages, 1):
        key = message.get(pipeline.key)
        if key is None:
            text = f"row {row} of table {pipeline.messages!r} has no {pipeline.key!r}"
            raise SourceError(SourceReason.INVALID_DATA, f"{field}.key", text)
        keys.append(str(key))
    if len(set(keys)) != len(keys):
        text = f"values of {pipeline.key!r} repeat in table {pipeline.messages!r}"
        raise SourceError(SourceReason.INVALID_DATA, f"{field}.key", text)
    return keys


async def _at_the_end(consumer: Any, pipeline: TopicPipeline, field: str) -> None:
    from aiokafka import TopicPartition

    metadata = await consumer._client.fetch_all_metadata()
    for name, topic in (("input", pipeline.input), ("output", pipeline.output)):
        if not metadata.partitions_for_topic(topic):
            raise SourceError(SourceReason.NOT_FOUND, f"{field}.{name}", f"there is no topic {topic!r}")
    partitions = [TopicPartition(pipeline.output, n) for n in metadata.partitions_for_topic(pipeline.output)]
    consumer.assign(partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)


async def _exchange(
    consumer: Any, producer: Any, pipeline: TopicPipeline, messages: Sequence[dict[str, Any]], keys: Sequence[str]
) -> RoundTrip:
    started = time.monotonic()
    intended = {key: number / pipeline.rate for number, key in enumerate(keys)}
    seen: dict[str, float] = {}

    async def write() -> None:
        for key, message in zip(keys, messages, strict=True):
            await asyncio.sleep(max(0.0, started + intended[key] - time.monotonic()))
            body = json.dumps(message, default=str).encode()
            await producer.send(pipeline.input, body, key=key.encode())
        await producer.flush()

    async def read() -> None:
        while len(seen) < len(keys):
            for batch in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                now = time.monotonic() - started
                for each in batch:
                    key = _key_of(each.value, pipeline.key)
                    if key in intended:
                        seen.setdefault(key, now)

    writing = asyncio.ensure_future(write())
    try:
        # What has not come by then is told as missing.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pipeline.timeout.total_seconds()):
                await asyncio.gather(writing, read())
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    latencies = tuple(seen[key] - intended[key] for key in keys if key in seen)
    return RoundTrip(latencies, len(keys) - len(seen), time.monotonic() - started)


def _key_of(value: bytes | None, field: str) -> str | None:
    """The identifier in what came out; None of what has none, which somebody else may have written."""
    try:
        body = json.loads(value or b"null")
    except (ValueError, RecursionError):
        return None
    found = body.get(field) if isinstance(body, dict) else None
    return None if found is None else str(found)
