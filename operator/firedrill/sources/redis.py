"""Connections to a Redis or Valkey."""

from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


@dataclass(frozen=True)
class RedisServer:
    """One numbered database of a server, and who connects."""

    host: str
    port: int
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: str = field(default="", repr=False)

    def client(self, timeout: float) -> Redis:
        """A client with one connection, which is made when it is first needed; ``timeout`` in seconds, for each answer.

        It tries nothing twice: a failure is told as it is.
        """
        return Redis(
            host=self.host,
            port=self.port,
            db=self.database,
            username=self.username or None,
            password=self.password or None,
            ssl=self.tls,
            ssl_ca_data=self.ca or None,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            client_name="firedrill",
        )
