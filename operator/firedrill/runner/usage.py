"""Memory and processor of serving pods during a load, as the metrics API of the target tells them."""

import asyncio
import re
from typing import Any, Final

from firedrill.api.performancebenchmark import ServingPods
from firedrill.engines.benchmark import PodUsage
from firedrill.sources.context import ObjectLister

INTERVAL_SECONDS: Final = 5.0
_QUANTITY: Final = re.compile(r"^(\d+(?:\.\d+)?)([a-zA-Z]*)$")
_UNITS: Final = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


class UsageWatch:
    """Asks every few seconds until it is stopped."""

    def __init__(self, pods: ServingPods, list_objects: ObjectLister | None) -> None:
        self._pods = pods
        self._list = list_objects
        self._memory: float | None = None
        self._cpu: float | None = None
        self._seen: set[str] = set()
        self._samples = 0
        self._problem = "" if list_objects is not None else "there is no cluster to ask"

    async def run(self) -> None:
        """Watch until cancelled."""
        while self._list is not None:
            await self._look(self._list)
            await asyncio.sleep(INTERVAL_SECONDS)

    def result(self) -> PodUsage:
        """The most of what was seen."""
        return PodUsage(len(self._seen), self._samples, self._memory, self._cpu, self._problem)

    async def _look(self, list_objects: ObjectLister) -> None:
        try:
            items = await list_objects(
                "metrics.k8s.io/v1beta1", "pods", self._pods.namespace, dict(self._pods.match_labels)
            )
        except (LookupError, OSError) as error:
            self._problem = str(error)
            return
        if not items:
            self._problem = "no pod has these labels, or the metrics API knows none yet"
            return
        self._samples += 1
        for item in items:
            containers = item.get("containers") or []
            self._seen.add(str((item.get("metadata") or {}).get("name")))
            memory, cpu = (sum(_amount(box, name) for box in containers) for name in ("memory", "cpu"))
            self._memory, self._cpu = max(self._memory or 0.0, memory), max(self._cpu or 0.0, cpu)


def _amount(container: Any, name: str) -> float:
    match = _QUANTITY.match(str((container.get("usage") or {}).get(name, "0")))
    return float(match.group(1)) * _UNITS.get(match.group(2), 0.0) if match else 0.0
