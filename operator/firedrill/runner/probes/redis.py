"""A ping or a key of a Redis."""

import asyncio

from redis.exceptions import RedisError

from firedrill.api.probe_services import RedisProbe
from firedrill.runner.probes.expecting import shown
from firedrill.runner.probes.logged_in import LoggedInAsk
from firedrill.sources.redis import RedisServer


class RedisAsk(LoggedInAsk[RedisProbe]):
    """Asks over a connection of its own."""

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether it answered, and with the expected value, in time."""
        try:
            async with asyncio.timeout(self._probe.timeout.total_seconds()):
                return await self._ask()
        except TimeoutError:
            return False, "timeout"
        except (RedisError, OSError) as error:
            return False, type(error).__name__

    async def _ask(self) -> tuple[bool, str]:
        probe, login = self._probe, self._login
        server = RedisServer(
            probe.host, probe.port, probe.database, login.username, login.password, login.tls, login.ca
        )
        async with server.client(probe.timeout.total_seconds()) as redis:
            if probe.key is None:
                await redis.ping()
                return True, ""
            value = await redis.get(probe.key)
        if value is None:
            return False, "no such key"
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return (True, "") if probe.equals is None or text == probe.equals else (False, shown(text))
