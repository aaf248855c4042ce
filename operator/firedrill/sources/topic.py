"""A window of the messages of a Kafka topic. No group is joined, and nothing is committed."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from firedrill.api.datastores import KafkaSource
from firedrill.sources.errors import InvalidTable, SourceError, SourceReason
from firedrill.sources.kafka import Kafka
from firedrill.sources.login import Login
from firedrill.sources.messages import parse_messages
from firedrill.sources.table import MemoryTable, SourceTable

_POLL_MS: Final = 500

Bounds = tuple[datetime | None, datetime | None]


async def read_topic(source: KafkaSource, login: Login, bounds: Bounds, field: str, max_bytes: int) -> SourceTable:
    """The messages from one time to another, by their own timestamps, or the last ones; tombstones are left out.

    What is written meanwhile is not read. Raises SourceError: Unreachable where no broker answers in time, NotFound for
    a topic that is not there, InvalidData for too many messages, and for one that is not of the format.
    """
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import AuthenticationFailedError, KafkaError, TopicAuthorizationFailedError

    seconds = source.timeout.total_seconds()
    where = f"Kafka at {source.host}:{source.port}"
    kafka = Kafka(source.host, source.port, login.username, login.password, login.ssl_context())
    consumer = AIOKafkaConsumer(
        **kafka.options(min(seconds, 30.0)), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    kafka.reach(consumer._client)
    try:
        async with asyncio.timeout(seconds):
            try:
                await consumer.start()
                found = await _Reading(consumer, source, bounds, field, max_bytes).messages()
            finally:
                await consumer.stop()
    except TimeoutError as error:
        message = f"{where}: reading took longer than {seconds:g} s"
        raise SourceError(SourceReason.UNREACHABLE, f"{field}.timeout", message) from error
    except (AuthenticationFailedError, TopicAuthorizationFailedError) as error:
        message = f"{where} refuses to let topic {source.topic!r} be read: {type(error).__name__}"
        raise SourceError(SourceReason.NOT_ALLOWED, field, message) from error
    except (KafkaError, OSError) as error:
        message = f"{where} can not be read: {type(error).__name__}: {str(error)[:200]}"
        raise SourceError(SourceReason.UNREACHABLE, field, message) from error
    try:
        values = [message.value for message in found]
        names = [f"partition {message.partition}, offset {message.offset}" for message in found]
        return MemoryTable(await asyncio.to_thread(parse_messages, values, names, source.format))
    except InvalidTable as error:
        raise SourceError(SourceReason.INVALID_DATA, field, f"topic {source.topic!r}, {error}") from error


class _Reading:
    def __init__(self, consumer: Any, source: KafkaSource, bounds: Bounds, field: str, max_bytes: int) -> None:
        self._consumer = consumer
        self._source = source
        self._bounds = bounds
        self._field = field
        self._max_bytes = max_bytes

    async def messages(self) -> list[Any]:
        from aiokafka import TopicPartition

        source, consumer = self._source, self._consumer
        metadata = await consumer._client.fetch_all_metadata()
        partitions = [TopicPartition(source.topic, n) for n in metadata.partitions_for_topic(source.topic) or ()]
        if not partitions:
            message = f"there is no topic {source.topic!r} at {source.host}:{source.port}"
            raise SourceError(SourceReason.NOT_FOUND, f"{self._field}.topic", message)
        consumer.assign(partitions)
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        start, until = self._bounds
        begins |= await self._offsets_at(start, partitions, ends)
        ends |= await self._offsets_at(until, partitions, ends)
        if source.last_messages is not None:
            # Any of them may be among the last ones.
            begins = {each: max(begins[each], ends[each] - source.last_messages) for each in partitions}
        most = source.max_messages if source.last_messages is None else source.last_messages * len(partitions)
        count = sum(max(0, ends[each] - begins[each]) for each in partitions)
        if count > most:
            message = f"{count} messages, more than maxMessages ({source.max_messages}); set a shorter window"
            raise SourceError(SourceReason.INVALID_DATA, self._field, message)
        found = await self._read(begins, ends)
        found.sort(key=lambda message: (message.timestamp, message.partition, message.offset))
        return found if source.last_messages is None else found[-source.last_messages :]

    async def _offsets_at(self, at: datetime | None, partitions: list[Any], ends: Mapping[Any, int]) -> dict[Any, int]:
        """The first offset at a time or after it; the end where there is none yet."""
        if at is None:
            return {}
        milliseconds = max(0, round(at.timestamp() * 1000))
        found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, milliseconds))
        return {each: min(found[each].offset, ends[each]) if found.get(each) else ends[each] for each in partitions}

    async def _read(self, begins: Mapping[Any, int], ends: Mapping[Any, int]) -> list[Any]:
        consumer, found, size = self._consumer, [], 0
        open_ones = {each for each in begins if begins[each] < ends[each]}
        for each in begins:
            if each in open_ones:
                consumer.seek(each, begins[each])
            else:
                consumer.pause(each)
        while open_ones:
            for partition, messages in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                kept = [each for each in messages if each.offset < ends[partition] and each.value is not None]
                found += kept
                size += sum(len(each.value) for each in kept)
            if size > self._max_bytes:
                message = f"the messages are larger than {self._max_bytes} bytes"
                raise SourceError(SourceReason.INVALID_DATA, self._field, message)
            # The end of a partition may be a mark of a transaction, which is no message: the position passes it.
            for each in list(open_ones):
                if await consumer.position(each) >= ends[each]:
                    consumer.pause(each)
                    open_ones.discard(each)
        return found
