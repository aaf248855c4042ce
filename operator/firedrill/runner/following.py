"""Bringing a fault that is on to pods that come meanwhile.

A pod that replaces one under fault would else be healthy, and an experiment would show a recovery that is none.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.changes import Change
from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.clusters.errors import ClusterError
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.arming import NotBegun
from firedrill.runner.context import RunContext, Stop
from firedrill.runner.evidence import Evidence
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.injecting import Injecting
from firedrill.runner.planned import Part
from firedrill.runner.precheck import Targets, find_newcomers
from firedrill.runner.record_store import Aborted
from firedrill.runner.retry import retry

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0
#: With less than this left of the fault, nothing is begun any more.
_LEAST: Final = timedelta(seconds=15)


class Following:
    """Follows one part of a run until it is told to end.

    ``make`` gives the part that carries out the fault of a spec under a key. ``taken`` tells the UIDs of pods that
    other parts have hit; ``joined`` is told what is under this fault once pods have come. ``turn`` is held while more
    is added to the record.
    """

    def __init__(
        self,
        context: RunContext,
        injecting: Injecting,
        evidence: Evidence,
        stop: Stop,
        turn: asyncio.Lock,
        make: Callable[[str, ChaosExperimentSpec], Part],
        taken: Callable[[], Collection[str]],
        joined: Callable[[Targets], None],
    ) -> None:
        self._context = context
        self._injecting = injecting
        self._evidence = evidence
        self._stop = stop
        self._turn = turn
        self._make = make
        self._taken = taken
        self._joined = joined
        #: What was begun for pods that came, in order.
        self.parts: list[Part] = []
        #: The changes of pods that the fault was brought to.
        self.changes: list[Change] = []
        #: Pods that it could not be brought to.
        self.missed: list[PodView] = []

    async def until(self, end: datetime, part: Part, spec: ChaosExperimentSpec, hit: Sequence[PodView]) -> None:
        """Leave a fault on until ``end``, unless somebody asks to stop, and bring it to pods that come.

        What is under way then is broken off as if this process had died: it is in the record, and is undone with it.
        """
        clock = self._context.clock
        follower = asyncio.ensure_future(self._follow(end, part, spec, {pod.uid for pod in hit}))
        try:
            await self._stop.sleep(clock, (end - clock.now()).total_seconds())
        finally:
            follower.cancel()
            await asyncio.wait([follower])
        if not follower.cancelled():
            follower.result()

    async def _follow(self, end: datetime, part: Part, spec: ChaosExperimentSpec, hit: set[str]) -> None:
        clock = self._context.clock
        while not self._stop.asked and end - clock.now() > _LEAST:
            await self._stop.sleep(clock, _LOOK_SECONDS)
            try:
                found = await find_newcomers(self._context, spec, part.fault, hit, self._taken())
            except ClusterError as error:
                log.warning("whether pods have come is not known: %s", error)
                continue
            if isinstance(found, Refusal):
                self._evidence.note(f"the fault follows no pods: {found.message}")
                return
            if not found.selected:
                continue
            hit.update(pod.uid for pod in found.selected)
            self._joined(Targets(found.matching, [pod for pod in found.matching if pod.uid in hit]))
            try:
                await self._bring(end, part, spec, found.selected)
            except (NotBegun, NotInjected, ClusterError) as error:
                names = ", ".join(pod.name for pod in found.selected)
                log.warning("the fault has not followed to %s: %s", names, error)
                self._evidence.note(f"the fault has not followed to {names}: {error}")
                self.missed.extend(found.selected)
            except Aborted as error:
                log.info("the fault follows no more: %s", error)
                return

    async def _bring(self, end: datetime, part: Part, spec: ChaosExperimentSpec, pods: Sequence[PodView]) -> None:
        clock = self._context.clock
        left = end - clock.now()
        own = self._make(f"{part.key}+{len(self.parts) + 1}", spec.model_copy(update={"duration": left}))
        changes = await retry(clock, lambda: own.fault.plan(pods, clock.now()), "planning the fault")
        async with self._turn:
            self.parts.append(own)
            await self._injecting.add([(own, changes)])
            self._evidence.begins([own])
            record = await self._injecting.enter([own])
        record = await self._injecting.apply([own], record)
        self.changes += [change for change in record.changes if change.step == own.key and change.applied_at]
        self._evidence.followed(record, [pod.name for pod in pods])
