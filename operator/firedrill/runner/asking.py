"""How each probe asks its question."""

import asyncio
import contextlib
from typing import Protocol

import aiohttp

from firedrill.api.probe import HttpProbe, Probe, PrometheusProbe, TcpProbe
from firedrill.api.probe_cluster import CommandProbe, KubernetesProbe
from firedrill.api.probe_resource import ResourceProbe
from firedrill.api.probe_services import GrpcProbe, KafkaProbe, RedisProbe, SqlProbe
from firedrill.engines.chaos.permission import Refusal
from firedrill.runner.context import RunContext

_BODY_LIMIT = 64 * 1024


class Asking(Protocol):
    """A question that can be asked again and again, several at a time."""

    async def ready(self) -> Refusal | None:
        """Why it can not be asked at all; to be called once, before the first question. Raises ClusterError."""
        ...

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the answer was good, or None where there was nobody to tell, and what was wrong with it."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def asking(probe: Probe, context: RunContext) -> Asking:
    """What asks the question of a probe. Imports are late: a run pays for its own clients alone."""
    match probe:
        case HttpProbe():
            return HttpAsk(probe)
        case TcpProbe():
            return TcpAsk(probe)
        case PrometheusProbe():
            from firedrill.runner.probes.prometheus import PrometheusAsk

            return PrometheusAsk(probe)
        case KubernetesProbe():
            from firedrill.runner.probes.kubernetes import KubernetesAsk

            return KubernetesAsk(probe, context)
        case GrpcProbe():
            from firedrill.runner.probes.grpc import GrpcAsk

            return GrpcAsk(probe, context)
        case SqlProbe():
            from firedrill.runner.probes.sql import SqlAsk

            return SqlAsk(probe, context)
        case KafkaProbe():
            from firedrill.runner.probes.kafka import KafkaAsk

            return KafkaAsk(probe, context)
        case RedisProbe():
            from firedrill.runner.probes.redis import RedisAsk

            return RedisAsk(probe, context)
        case CommandProbe():
            from firedrill.runner.probes.command import CommandAsk

            return CommandAsk(probe)
        case ResourceProbe():
            from firedrill.runner.probes.resource import ResourceAsk

            return ResourceAsk(probe, context)
    raise AssertionError(f"nothing asks {type(probe).__name__}")


class HttpAsk:
    """A GET over a connection of its own: a kept-alive one would go on working when no new one can be made."""

    def __init__(self, probe: HttpProbe) -> None:
        self._probe = probe
        self._session: aiohttp.ClientSession | None = None

    async def ready(self) -> Refusal | None:
        """It can always be asked."""
        return None

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the expected status came in time, body included."""
        session = self._open()
        try:
            async with session.get(self._probe.url, allow_redirects=False) as response:
                await response.content.read(_BODY_LIMIT)
                if response.status == self._probe.expect_status:
                    return True, ""
                return False, f"status {response.status}"
        except TimeoutError:
            return False, "timeout"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return False, type(error).__name__

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0, ttl_dns_cache=5),
                timeout=aiohttp.ClientTimeout(total=self._probe.timeout.total_seconds()),
                trust_env=False,
            )
        return self._session


class TcpAsk:
    """A connection, which is closed again at once."""

    def __init__(self, probe: TcpProbe) -> None:
        self._probe = probe

    async def ready(self) -> Refusal | None:
        """It can always be asked."""
        return None

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the connection was accepted in time."""
        opening = asyncio.open_connection(self._probe.host, self._probe.port)
        try:
            _, writer = await asyncio.wait_for(opening, self._probe.timeout.total_seconds())
        except TimeoutError:
            return False, "timeout"
        except OSError as error:
            return False, type(error).__name__
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True, ""

    async def close(self) -> None:
        """Nothing is kept open."""
