"""Values from a Prometheus server, by its HTTP API."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from firedrill.sources.errors import SourceError, SourceReason

_TIMEOUT = 10.0


@dataclass(frozen=True)
class Sample:
    """A value of one series."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Prometheus:
    """Asks one server."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")

    async def query(self, expression: str) -> list[Sample]:
        """Series of an instant query, without those that are not a number.

        Raises SourceError: Unreachable where the server does not answer, InvalidData where it refuses the query.
        """
        samples = [
            Sample(float(series["value"][1]), series["metric"])
            for series in await self._ask("query", {"query": expression})
        ]
        return [sample for sample in samples if math.isfinite(sample.value)]

    async def value(self, expression: str) -> float | None:
        """The value of a query with one series; None where there is none."""
        found = await self.query(expression)
        return found[0].value if found else None

    async def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Series over a time, each with ``metric`` and ``values`` of (Unix seconds, text); errors as in query."""
        params = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return await self._ask("query_range", params)

    async def _ask(self, what: str, params: dict[str, str]) -> list[dict[str, Any]]:
        try:
            answer = await self._client.post(f"{self._url}/api/v1/{what}", data=params, timeout=_TIMEOUT)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            message = f"Prometheus at {self._url}: {str(error) or type(error).__name__}"
            raise SourceError(SourceReason.UNREACHABLE, "prometheus", message) from error
        if body.get("status") != "success":
            raise SourceError(SourceReason.INVALID_DATA, "prometheus", str(body.get("error", body))[:300])
        result: list[dict[str, Any]] = body["data"]["result"]
        return result
