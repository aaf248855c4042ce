"""Objects of the API, looked at by JSONPath."""

import asyncio
from typing import Any, Final

import jsonpath

from firedrill.api.probe_cluster import KubernetesProbe
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, Forbidden, NotFound
from firedrill.engines.chaos.permission import Refusal
from firedrill.runner.context import RunContext
from firedrill.runner.ports import Object
from firedrill.runner.probes.expecting import meets, shown
from firedrill.runner.retry import retry

#: So many objects are read at most; a list that is longer says nothing.
_MOST: Final = 2000


class KubernetesAsk:
    """Reads an object, or a list of them, anew each time."""

    def __init__(self, probe: KubernetesProbe, context: RunContext) -> None:
        self._probe = probe
        self._context = context
        self._path = jsonpath.compile(probe.path, strict=True) if probe.path else None
        self._plural = ""

    async def ready(self) -> Refusal | None:
        """Why it can not be asked: a kind that is not there, or a right that is missing."""
        probe = self._probe
        try:
            await retry(self._context.clock, self._discover, f"looking for {probe.kind}")
        except NotFound:
            return Refusal("NotApplicable", f"the API server has no {probe.kind} in {probe.api_version}")
        except _Misplaced as error:
            return Refusal("NotApplicable", str(error))
        verb = "get" if probe.name is not None else "list"
        try:
            await retry(self._context.clock, self._read, f"reading {probe.kind}")
        except Forbidden:
            group = probe.api_version.rpartition("/")[0]
            return Refusal(
                "NotPermitted",
                f"the probe may not {verb} {self._plural}{'.' + group if group else ''} in "
                f"{probe.namespace or 'the cluster'}: the chart's target.probes.read must name it",
            )
        return None

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether the objects are as expected; None where the API server does not answer or refuses."""
        try:
            async with asyncio.timeout(self._probe.timeout.total_seconds()):
                if not self._plural:
                    await self._discover()
                found = await self._read()
        except TimeoutError:
            return None, "the API server did not answer in time"
        except (ClusterError, _Misplaced) as error:
            return None, str(error)
        return self._judge(found)

    async def close(self) -> None:
        """The client is not ours."""

    async def _discover(self) -> None:
        probe = self._probe
        group, _, version = probe.api_version.rpartition("/")
        listed = await self._context.client.get(f"/apis/{group}/{version}" if group else f"/api/{version}")
        for each in listed.get("resources") or ():
            if each["kind"] == probe.kind and "/" not in each["name"]:
                if not each["namespaced"] and probe.namespace is not None:
                    raise _Misplaced(f"{probe.kind} is in no namespace: leave kubernetes.namespace out")
                if each["namespaced"] and probe.namespace is None:
                    raise _Misplaced(f"{probe.kind} is in a namespace: set kubernetes.namespace")
                self._plural = each["name"]
                return
        raise NotFound(404, "NotFound", f"there is no {probe.kind} in {probe.api_version}")

    async def _read(self) -> list[Object]:
        probe = self._probe
        path = paths.path(probe.api_version, self._plural, probe.namespace, probe.name)
        if probe.name is not None:
            try:
                return [await self._context.client.get(path)]
            except NotFound:
                return []
        labels = ",".join(f"{key}={value}" for key, value in sorted(probe.match_labels.items()))
        listed = await self._context.client.get(path, {"labelSelector": labels, "limit": str(_MOST)})
        if (listed.get("metadata") or {}).get("continue"):
            raise _Misplaced(f"more than {_MOST} objects match: choose fewer by matchLabels")
        return listed.get("items") or []

    def _judge(self, found: list[Object]) -> tuple[bool | None, str]:
        probe = self._probe
        try:
            verdicts = [self._one(each) for each in found]
        except (jsonpath.JSONPathError, RecursionError) as error:
            return None, f"the path can not be followed: {error}"
        good = sum(1 for fine, _ in verdicts if fine)
        if not probe.exists:
            return (True, "") if good == len(found) else (False, f"{len(found) - good} of {len(found)} are there")
        if not found:
            return False, "no such object"
        wanted = probe.at_least or len(found)
        if good >= wanted:
            return True, ""
        why = next(why for fine, why in verdicts if not fine) if good < len(found) else "there are no more"
        return False, f"{good} of {len(found)}, {wanted} wanted: {why}"

    def _one(self, body: Object) -> tuple[bool, str]:
        probe = self._probe
        values: list[Any] = self._path.findall(body) if self._path is not None else [True]
        if not probe.exists:
            return not values, "it is there"
        if not values:
            return False, "the path leads nowhere"
        bad = [value for value in values if not meets(value, probe.equals, probe.min, probe.max)]
        return not bad, shown(bad[0]) if bad else ""


class _Misplaced(Exception):
    """The probe asks for what can not be."""
