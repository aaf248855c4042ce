"""A query of a Prometheus."""

import asyncio

import httpx

from firedrill.api.probe import PrometheusProbe
from firedrill.engines.chaos.permission import Refusal
from firedrill.sources.errors import SourceError
from firedrill.sources.prometheus import Prometheus


class PrometheusAsk:
    """An instant query."""

    def __init__(self, probe: PrometheusProbe) -> None:
        self._probe = probe
        self._client = httpx.AsyncClient(trust_env=False)
        self._server = Prometheus(self._client, probe.url)

    async def ready(self) -> Refusal | None:
        """It can always be asked."""
        return None

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the value is within its bounds; None where the server does not answer or refuses the query."""
        try:
            async with asyncio.timeout(self._probe.timeout.total_seconds()):
                value = await self._server.value(self._probe.query)
        except TimeoutError:
            return None, "Prometheus did not answer in time"
        except SourceError as error:
            return None, str(error)
        if value is None:
            return False, "no value"
        low, high = self._probe.min, self._probe.max
        if (low is None or value >= low) and (high is None or value <= high):
            return True, ""
        return False, f"{value:g}"

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
