"""What data faults do to a Redis."""

from typing import Final

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from firedrill.runner.data.stores import StoreError, StoreUnreachable
from firedrill.sources.redis import RedisServer

_TIMEOUT: Final = 5.0
_BATCH: Final = 500


class RedisCache:
    """One numbered database."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    async def flush(self, pattern: str | None) -> tuple[int, int]:
        """Without a pattern in one request, which is all or nothing."""
        try:
            async with self._server.client(_TIMEOUT) as redis:
                before = int(await redis.dbsize())
                if pattern is None:
                    await redis.flushdb()
                else:
                    await _unlink(redis, pattern)
                return before, int(await redis.dbsize())
        except AuthenticationError as error:
            raise StoreError("Redis: AuthenticationError") from error
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise StoreUnreachable(f"Redis: {type(error).__name__}") from error
        except RedisError as error:
            raise StoreError(f"Redis: {type(error).__name__}") from error


async def _unlink(redis: Redis, pattern: str) -> None:
    batch: list[bytes] = []
    async for key in redis.scan_iter(match=pattern, count=_BATCH):
        batch.append(key)
        if len(batch) == _BATCH:
            await redis.unlink(*batch)
            batch = []
    if batch:
        await redis.unlink(*batch)
