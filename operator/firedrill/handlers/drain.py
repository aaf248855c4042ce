"""``firedrill drain``: before the operator goes, nothing may be left that only it can finish.

A resource whose finalizer outlives the operator can not be deleted any more, nor can its namespace. So the chart
runs this before it takes the operator away: the hub is halted, which ends and undoes whatever goes on, and the
operator is waited for until it has taken its finalizers off. It takes none off itself.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import RUN_KINDS
from firedrill.api.meta import FINALIZER, LABEL_MANAGED
from firedrill.clusters import paths
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError, Conflict, NotFound
from firedrill.clusters.logs import set_up
from firedrill.clusters.reconciler import HALT_CONFIGMAP

log = logging.getLogger(__name__)

Object = dict[str, Any]

_POLL_SECONDS: Final = 2.0
_TOLD: Final = 10
_REASON: Final = "Uninstalling: the operator is being removed"


class Hub(Protocol):
    """The requests that draining makes."""

    async def get(self, path: str) -> Object:
        """Read one object, or a list."""
        ...

    async def create(self, path: str, body: Object) -> Object:
        """Create an object in the collection at path."""
        ...

    async def delete(self, path: str) -> Object:
        """Delete an object."""
        ...


@dataclass(frozen=True)
class Held:
    """A resource that still has the operator's finalizer."""

    kind: str
    key: str
    #: Its run is over, and it keeps the finalizer all the same: only a person can help.
    over: bool
    #: What it has built stands until it is deleted.
    stands: bool

    @property
    def advice(self) -> str:
        """What it waits for."""
        if self.stands:
            return "it stands until it is deleted: delete it first"
        if self.over:
            return "not seen undone; its status says what to do, then annotate it with firedrill.dev/settled"
        return "its run is being ended and undone"


def held(kind: str, body: Object) -> Held | None:
    """Whether a resource has the finalizer, and why."""
    meta, status = body["metadata"], body.get("status") or {}
    if FINALIZER not in (meta.get("finalizers") or ()):
        return None
    run = status.get("lastRun") or {}
    over = bool(run.get("finishedAt"))
    return Held(kind, f"{meta['namespace']}/{meta['name']}", over, RUN_KINDS[kind].stands)


def report(found: Sequence[Held]) -> str:
    """What is waited for, for people."""
    lines = [f"  {each.kind} {each.key}: {each.advice}" for each in found[:_TOLD]]
    more = [f"  and {len(found) - _TOLD} more"] if len(found) > _TOLD else []
    return "\n".join([f"{len(found)} resources still need the operator:", *lines, *more])


class Drain:
    """Halts the hub and waits."""

    def __init__(self, hub: Hub, namespace: str) -> None:
        self._hub = hub
        self._halt = paths.configmaps(namespace)
        self._own_halt = False

    async def run(self, limit: timedelta) -> Sequence[Held]:
        """Wait until no resource has the finalizer; what still has one at the limit.

        Whatever stands is not waited for: nothing but its deletion helps. A halt that was made here is taken back at
        the end, so that an operator that is installed again, or that stays, is not held up by it.
        """
        await self._begin()
        try:
            return await self._wait(limit)
        finally:
            if self._own_halt:
                await self._hub.delete(f"{self._halt}/{HALT_CONFIGMAP}")

    async def _begin(self) -> None:
        metadata = {"name": HALT_CONFIGMAP, "labels": {LABEL_MANAGED: "true"}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"reason": _REASON}}
        try:
            await self._hub.create(self._halt, body)
            self._own_halt = True
        except Conflict:
            log.info("the hub is halted already")

    async def _wait(self, limit: timedelta) -> Sequence[Held]:
        loop = asyncio.get_running_loop()
        end = loop.time() + limit.total_seconds()
        told = ""
        while True:
            found = await self._look()
            if not found or loop.time() >= end or all(each.stands for each in found):
                return found
            if report(found) != told:
                told = report(found)
                log.info(told)
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self) -> list[Held]:
        found: list[Held] = []
        for kind in RUN_KINDS.values():
            if not kind.changes:
                continue
            try:
                listed = await self._hub.get(paths.firedrill(kind.plural))
            except NotFound:
                continue  # its CRD is not there, or not any more
            found += [each for body in listed.get("items") or () if (each := held(kind.name, body))]
        return found


async def drain(namespace: str, limit: timedelta) -> int:
    """0 when nothing needs the operator any more, else 1."""
    hub = KubeClient(await api_from_environment(), "hub")
    try:
        left = await Drain(hub, namespace).run(limit)
    except ClusterError as error:
        print(f"whether anything still needs the operator is not known: {error}", file=sys.stderr)
        return 1
    finally:
        await hub.close()
    if not left:
        print("nothing needs the operator any more")
        return 0
    print(report(left), file=sys.stderr)
    return 1


def main(argv: Sequence[str]) -> int:
    """Entry point of ``firedrill drain``: 0 when the operator may go, 1 when not, 64 for wrong input."""
    parser = argparse.ArgumentParser(prog="firedrill drain", description="Halt, and wait until nothing needs undoing.")
    parser.add_argument("--seconds", type=int, default=240, help="how long to wait at most")
    options = parser.parse_args(argv)
    set_up("INFO")
    try:
        namespace = os.environ.get("POD_NAMESPACE", "firedrill-system")
        return asyncio.run(drain(namespace, timedelta(seconds=options.seconds)))
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return 64
