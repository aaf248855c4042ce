"""Prometheus and the recorder of a simulation, asked through the API server's proxy of Services."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ApiError, ClusterError
from firedrill.engines.telemetry import tables
from firedrill.engines.telemetry.series import CALLS, FAILED, slices

#: Records are asked for in spans, so that neither side holds a whole window in memory.
_SPAN: Final = timedelta(minutes=5)
_POINTS: Final = 40

Series = Mapping[str, Any]


class Telemetry:
    """Reads what is kept of the simulation in one namespace. Raises ClusterError, and InvalidRecord."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def metric_names(self, start: datetime, end: datetime) -> list[str]:
        """Names of all metrics that had samples in a window."""
        names = await self._prometheus("label/__name__/values", {"start": _unix(start), "end": _unix(end)})
        return [str(name) for name in names]

    async def metric(self, name: str, start: datetime, end: datetime, step: float) -> AsyncIterator[list[Series]]:
        """The series of a metric, a span of time after the other; step in seconds."""
        for first, last in slices(start, end, step, _POINTS):
            params = {"query": f'{{__name__="{name}"}}', "start": f"{first:.3f}", "end": f"{last:.3f}"}
            found = await self._prometheus("query_range", {**params, "step": f"{step:g}"})
            yield found["result"]

    async def calls(self, start: datetime, end: datetime) -> tuple[list[Series], list[Series]]:
        """Calls between services in the window: all, and those that failed."""
        seconds = max(1, round((end - start).total_seconds()))
        found = []
        for query in (CALLS, FAILED):
            answer = await self._prometheus("query", {"query": query.format(seconds=seconds), "time": _unix(end)})
            found.append(answer["result"])
        return found[0], found[1]

    async def records(self, stream: str, start: datetime, end: datetime) -> AsyncIterator[list[tables.Row]]:
        """The records of a stream, a span of time after the other."""
        while start < end:
            until = min(start + _SPAN, end)
            yield await self._records(stream, {"from": _text(start), "to": _text(until)})
            start = until

    async def truth(self, end: datetime) -> list[tables.Row]:
        """All records of the truth up to a time: what was on at a window's start was set before it."""
        return await self._records("truth", {"to": _text(end)})

    async def cluster_uid(self) -> str:
        """UID of the namespace kube-system, which no two clusters share."""
        found = await self._client.get(paths.namespaces("kube-system"))
        return str(found["metadata"]["uid"])

    async def _records(self, stream: str, params: Mapping[str, str]) -> list[tables.Row]:
        path = self._proxy("recorder:8080", "records")
        return tables.parse(stream, await self._client.text(path, {"stream": stream, **params}))

    async def _prometheus(self, what: str, params: Mapping[str, str]) -> Any:
        path = self._proxy("prometheus:9090", f"api/v1/{what}")
        body = await self._client.get(path, params)
        if body.get("status") != "success":
            raise ClusterError(f"Prometheus of {self._namespace}: {str(body.get('error', body))[:300]}")
        return body["data"]

    def _proxy(self, service: str, path: str) -> str:
        return paths.path("v1", "services", self._namespace, service, f"proxy/{path}")


async def experiments(hub: KubeClient) -> list[Mapping[str, Any]]:
    """All ChaosExperiments of a hub. Raises ClusterError; a cluster that has no such kind is no hub."""
    try:
        found = await hub.get(paths.firedrill("chaosexperiments"))
    except ApiError as error:
        raise ClusterError(f"ChaosExperiments can not be read: {error}") from error
    items: list[Mapping[str, Any]] = found["items"]
    return items


def _unix(at: datetime) -> str:
    return f"{at.timestamp():.3f}"


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
