"""What data faults do to a Kafka."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

from firedrill.runner.data.stores import Held, StoreError, StoreUnreachable
from firedrill.sources.kafka import Kafka

log = logging.getLogger(__name__)

_TIMEOUT: Final = 5.0
#: The broker drops a member of ours that has been silent so long.
_SESSION_MILLISECONDS: Final = 10_000
_JOIN_SECONDS: Final = 12.0


class KafkaBroker:
    """A Kafka, asked over new connections each time."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    async def reach(self) -> None:
        """Connect, which takes the broker's word."""
        async with self._admin():
            return

    async def why_not_joinable(self, group: str, topic: str) -> str:
        """A group whose members share out partitions among themselves must be there."""
        async with self._admin() as admin:
            metadata = await admin._client.fetch_all_metadata()
            if not metadata.partitions_for_topic(topic):
                return f"there is no topic {topic}"
            state, _, members = await _described(admin, group)
        return "" if members else f"group {group} has no members whom partitions could be taken from: it is {state}"

    async def join(self, group: str, topic: str, client: str, members: int, seconds: float) -> Held:
        """Join one after the other, by the protocol that the group uses."""
        async with self._admin() as admin:
            state, protocol, members_there = await _described(admin, group)
            while members_there and not protocol:
                # While its members come to terms, a group has none; the limit of the questions ends this.
                await asyncio.sleep(0.3)
                state, protocol, members_there = await _described(admin, group)
        log.info("group %s is %s, its protocol is %s", group, state, protocol or "not chosen")
        assignor = type("Assignor", (RangePartitionAssignor,), {"name": protocol or "range"})
        consumers: list[Any] = []
        try:
            with _translated():
                for _ in range(members):
                    consumer = AIOKafkaConsumer(
                        **{**self._kafka.options(_TIMEOUT), "client_id": client},
                        group_id=group,
                        enable_auto_commit=False,
                        partition_assignment_strategy=[assignor],
                        session_timeout_ms=_SESSION_MILLISECONDS,
                        heartbeat_interval_ms=1000,
                        # Nobody asks it for messages: after this time it leaves by itself.
                        max_poll_interval_ms=round(1000 * seconds),
                    )
                    self._kafka.reach(consumer._client)
                    consumer.subscribe([topic])
                    consumers.append(consumer)
                    await asyncio.wait_for(consumer.start(), _JOIN_SECONDS)
        except BaseException:
            await _stop(consumers)
            raise
        return _Members(consumers)

    async def evict(self, group: str, client: str) -> int:
        """In the members' own name, which the broker takes from anybody."""
        async with self._admin() as admin:
            _, _, members = await _described(admin, group)
            ours = [member_id for member_id, client_id in members if client_id == client]
            node = await admin.find_coordinator(group)
            for member_id in ours:
                await admin._send_request(LeaveGroupRequest(group, member_id), node)
        return len(ours)

    async def produce(self, topic: str, partition: int | None, messages: Sequence[bytes]) -> list[str]:
        """One after the other, each acknowledged by all replicas in sync."""
        with _translated():
            producer = AIOKafkaProducer(**self._kafka.options(_TIMEOUT), acks="all")
            self._kafka.reach(producer.client)
            try:
                async with asyncio.timeout(2 * _TIMEOUT):
                    await producer.start()
                    places = []
                    for message in messages:
                        found = await producer.send_and_wait(topic, message, partition=partition)
                        places.append(f"{found.topic}/{found.partition}@{found.offset}")
                    return places
            finally:
                await producer.stop()

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        with _translated():
            admin = AIOKafkaAdminClient(**self._kafka.options(_TIMEOUT))
            self._kafka.reach(admin._client)
            try:
                async with asyncio.timeout(2 * _TIMEOUT):
                    await admin.start()
                    yield admin
            finally:
                await admin.close()


class _Members:
    def __init__(self, consumers: Sequence[Any]) -> None:
        self._consumers = consumers
        self._begun = time.monotonic()

    async def look(self) -> tuple[bool, str]:
        """What the group has given to our members."""
        taken = sorted({f"{each.topic}/{each.partition}" for one in self._consumers for each in one.assignment()})
        effect = f"partitions {', '.join(taken[:10])} were given to members of ours" if taken else ""
        return any(not one._closed for one in self._consumers), effect

    async def close(self) -> None:
        """Leave the group."""
        await _stop(self._consumers)


class _translated:  # noqa: N801 - reads as a word
    """Turns errors of the client into those of stores."""

    def __enter__(self) -> None:
        """Nothing is to be done."""

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        """Raise the error of stores that this one means."""
        if isinstance(error, TimeoutError):
            raise StoreUnreachable("Kafka did not answer in time") from error
        if isinstance(error, OSError) or (isinstance(error, KafkaError) and getattr(error, "retriable", False)):
            raise StoreUnreachable(f"Kafka: {type(error).__name__}") from error
        if isinstance(error, KafkaError):
            raise StoreError(f"Kafka: {type(error).__name__}") from error


async def _described(admin: Any, group: str) -> tuple[str, str, list[tuple[str, str]]]:
    """State and protocol of a group, and the ids and client ids of its members."""
    (answer,) = await admin.describe_consumer_groups([group])
    found = answer.groups[0]
    error_code, _, state, _, protocol, members = found[:6]
    if error_code:
        raise StoreError(f"Kafka: group {group} can not be described, error {error_code}")
    return state, protocol, [(each[0], each[1]) for each in members]


async def _stop(consumers: Sequence[Any]) -> None:
    for one in consumers:
        with suppress(KafkaError, OSError, TimeoutError):
            await asyncio.wait_for(one.stop(), _TIMEOUT)
