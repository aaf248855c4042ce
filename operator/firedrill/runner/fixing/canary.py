"""Which addresses prove the isolation: those that this pod, which is not isolated, can reach."""

import asyncio
import ipaddress
from typing import Final

from firedrill.engines.fix.tryout import Attempt
from firedrill.engines.fix.views import Object, Rollout
from firedrill.runner.fixing.context import FixContext
from firedrill.runner.fixing.ledger import inconclusive
from firedrill.runner.fixing.reading import read, services

CONNECT_SECONDS: Final = 2.0
#: Addresses of production that are tried, and how many of those within reach the canary is given.
MAX_CANDIDATES: Final = 8
MAX_TARGETS: Final = 3


async def dial(address: str, timeout: float) -> Attempt:
    """Open one TCP connection and close it."""
    host, _, port = address.rpartition(":")
    try:
        opened = asyncio.open_connection(host.strip("[]"), int(port))
        _, writer = await asyncio.wait_for(opened, timeout)
    except (OSError, TimeoutError) as error:
        return Attempt(address, False, str(error) or type(error).__name__)
    writer.close()
    return Attempt(address, True, "connected")


async def choose_targets(context: FixContext, rollout: Rollout) -> tuple[str, ...]:
    """The API server, and addresses of production, each of them reached from here just now.

    An address that this pod can not reach either would prove nothing. Raises Ended where the API server is none of
    those; where production has no address within reach, its pods may all be down, and the API server alone proves
    that nothing leaves the sandbox: the rules drop everything, not addresses one by one.
    """
    candidates = [context.api_address, *await _production(context, rollout)]
    attempts = await asyncio.gather(*(context.dial(address, CONNECT_SECONDS) for address in candidates))
    reached = [item for item in attempts if item.connected]
    context.ledger.report["control"] = [vars(item) for item in attempts]
    if not attempts[0].connected:
        raise inconclusive(
            "SandboxNotIsolated",
            f"isolation can not be proven: not even the runner reaches the API server at {context.api_address} "
            f"({attempts[0].detail})",
        )
    targets = tuple(item.address for item in reached[: 1 + MAX_TARGETS])
    context.ledger.decided(
        "choose canary addresses",
        f"{len(targets)} of {len(candidates)} addresses are within reach of the runner",
        "the sandbox must not reach what others reach"
        if len(targets) > 1
        else "no address of the production namespace is within reach; the API server alone has to prove the isolation",
        {"addresses": list(targets)},
    )
    return targets


async def _production(context: FixContext, rollout: Rollout) -> list[str]:
    found = [join(pod.ip, port) for pod in rollout.pods if pod.ready and pod.ip for port in pod.ports]
    listed = await read(context, services(context.namespace))
    addresses = [address for item in listed.get("items") or () for address in _service_addresses(item)]
    # One of each sort first, so that neither crowds the other out.
    mixed = [address for pair in zip(addresses, found, strict=False) for address in pair]
    rest = [address for address in (*addresses, *found) if address not in mixed]
    return list(dict.fromkeys([*mixed, *rest]))[:MAX_CANDIDATES]


def _service_addresses(service: Object) -> list[str]:
    spec = service.get("spec") or {}
    host = spec.get("clusterIP") or "None"
    if host == "None":
        return []
    return [join(host, port["port"]) for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"]


def join(host: str, port: int) -> str:
    """host:port, with brackets where the host is an IPv6 address."""
    try:
        is_v6 = ipaddress.ip_address(host).version == 6
    except ValueError:
        is_v6 = False
    return f"[{host}]:{port}" if is_v6 else f"{host}:{port}"
