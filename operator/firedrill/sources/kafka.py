"""Clients of a Kafka that is asked from outside of its namespace."""

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Any

from aiokafka.client import AIOKafkaClient


@dataclass(frozen=True)
class Kafka:
    """A broker to begin with, and who connects: SASL PLAIN where there is a user name."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def options(self, timeout: float) -> dict[str, Any]:
        """What each client of aiokafka takes; ``timeout`` is that of one request, in seconds."""
        protocol = ("SASL_" if self.username else "") + ("SSL" if self.tls else "PLAINTEXT")
        host = f"[{self.host}]" if ":" in self.host else self.host
        options: dict[str, Any] = {
            "bootstrap_servers": f"{host}:{self.port}",
            "client_id": "firedrill",
            "request_timeout_ms": max(1, round(1000 * timeout)),
            "security_protocol": protocol,
            "ssl_context": self.tls,
        }
        if self.username:
            options |= {
                "sasl_mechanism": "PLAIN",
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def reach(self, client: AIOKafkaClient) -> None:
        """Let a client that is not started yet look for brokers in the namespace of the first one.

        Brokers often advertise the bare name of their Service, which means something in their own namespace alone.
        """
        domain = _domain(self.host)
        if not domain:
            return
        cluster = client.cluster
        advertised = cluster.broker_metadata

        def qualified(broker_id: Any) -> Any:
            found = advertised(broker_id)
            if found is None or "." in found.host or ":" in found.host:
                return found
            return found._replace(host=f"{found.host}.{domain}")

        cluster.broker_metadata = qualified


def _domain(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.partition(".")[2]
    return ""
