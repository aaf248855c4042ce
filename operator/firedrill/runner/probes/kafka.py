"""The lag of a consumer group."""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from firedrill.api.probe_services import KafkaProbe
from firedrill.runner.probes.logged_in import LoggedInAsk
from firedrill.sources.kafka import Kafka


class KafkaAsk(LoggedInAsk[KafkaProbe]):
    """Compares what the group has committed with the ends of the partitions; it never joins the group."""

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the group keeps up; None where it never committed anything for the topic."""
        try:
            async with asyncio.timeout(self._probe.timeout.total_seconds()):
                lag = await self._lag()
        except TimeoutError:
            return False, "timeout"
        except (KafkaError, OSError) as error:
            return False, type(error).__name__
        if isinstance(lag, str):
            return None, lag
        return (True, "") if lag <= self._probe.max_lag else (False, f"lag {lag}")

    async def _lag(self) -> int | str:
        probe, login = self._probe, self._login
        kafka = Kafka(probe.host, probe.port, login.username, login.password, login.ssl_context())
        # Partitions are assigned by hand, so a group's name here only tells whose offsets are asked for.
        consumer = AIOKafkaConsumer(
            **kafka.options(probe.timeout.total_seconds()), group_id=probe.group, enable_auto_commit=False
        )
        kafka.reach(consumer._client)
        try:
            await consumer.start()
            metadata = await consumer._client.fetch_all_metadata()
            partitions = [TopicPartition(probe.topic, n) for n in metadata.partitions_for_topic(probe.topic) or ()]
            if not partitions:
                return f"there is no topic {probe.topic}"
            committed = {each: await consumer.committed(each) for each in partitions}
            if all(offset is None for offset in committed.values()):
                return f"group {probe.group} has committed nothing for topic {probe.topic}"
            ends = await consumer.end_offsets(partitions)
            unread = [each for each, offset in committed.items() if offset is None]
            begins = await consumer.beginning_offsets(unread) if unread else {}
        finally:
            await consumer.stop()
        # Of a partition that the group has not come to yet, all that is kept waits.
        starts = {each: offset if offset is not None else begins[each] for each, offset in committed.items()}
        lag: int = sum(max(0, ends[each] - start) for each, start in starts.items())
        return lag
