"""A PerformanceBenchmark run: warm up, put load on the target, judge what was counted."""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from firedrill.api.errors import InvalidInput
from firedrill.api.performancebenchmark import PerformanceBenchmarkSpec
from firedrill.api.resource import parse_spec
from firedrill.api.task import Result, Task
from firedrill.api.verdict import Verdict
from firedrill.engines.benchmark import Phase, PodUsage, Tally, evaluate, next_rate
from firedrill.engines.benchmark.evaluate import held
from firedrill.engines.benchmark.limits import lag_allowed
from firedrill.engines.benchmark.ramp import Step
from firedrill.engines.common.regression import compared
from firedrill.runner.loading import Prepared, prepared, traffic
from firedrill.runner.parts import Alone, Crew, PartDone, WorkerMissing
from firedrill.runner.sourced import Clock, Ending, utc_now
from firedrill.runner.usage import UsageWatch
from firedrill.sources.context import SourceContext
from firedrill.sources.errors import SourceError
from firedrill.sources.load.loops import ClosedLoad, Halt, Load, OpenLoad, arrivals, run_load
from firedrill.sources.openloop import drive
from firedrill.sources.serving.port import Ready, ReadyState, Reply, ReplyKind

#: Time that is kept before the deadline for counting and for writing the result.
CLOSING_SECONDS: Final = 3.0
#: Workers have this long to begin: their pods may wait for a node.
BEGIN: Final = timedelta(seconds=120)


async def run(task: Task, sources: SourceContext, clock: Clock = utc_now, crew: Crew | None = None) -> Result:
    """Carry out a PerformanceBenchmark. Whatever target, source or spec do wrong is a result, never an exception.

    Raises PartDone where this is a worker whose counts another one puts together.
    """
    ending, crew = Ending(task, clock), crew or Alone()
    try:
        spec = parse_spec(PerformanceBenchmarkSpec, task.spec)
        async with prepared(spec, sources) as target:
            if isinstance(target, Ready):
                verdict = Verdict.ERROR if target.state is ReadyState.NOT_FOUND else Verdict.INCONCLUSIVE
                return ending.result(verdict, target.state.value, target.message)
            await crew.begin_together(min(clock() + BEGIN, task.deadline))
            bench = _Bench(spec, target, crew, task.deadline, clock)
            warmup, phases, usage = await bench.watched(sources)
        if crew.index:
            await crew.hand_in({"phases": [phase.tally.to_wire() for phase in phases]})
            raise PartDone
        await _merge(phases, crew, task.deadline)
    except SourceError as error:
        return ending.source_error(error)
    except InvalidInput as error:
        return ending.invalid(error)
    except WorkerMissing as error:
        return ending.result(Verdict.INCONCLUSIVE, "WorkerMissing", str(error))
    report = evaluate(spec, phases, warmup, usage)
    told = compared(
        report.verdict, report.reason, report.message, report.measurements, task.past, spec.regression, report.counted
    )
    evidence = report.to_json() | ({"history": told.past} if told.past else {})
    return ending.result(told.verdict, told.reason, told.message, told.measurements, evidence)


async def _merge(phases: Sequence[Phase], crew: Crew, until: datetime) -> None:
    for part in await crew.collect(until):
        try:
            for phase, wire in zip(phases, part["phases"], strict=True):
                phase.tally.merge(Tally.from_wire(wire))
        except (KeyError, ValueError, TypeError) as error:
            raise WorkerMissing(f"what a worker has left can not be read: {error}") from error


class _Bench:
    """Puts load on one target."""

    def __init__(
        self, spec: PerformanceBenchmarkSpec, target: Prepared, crew: Crew, deadline: datetime, clock: Clock
    ) -> None:
        self._spec = spec
        self._target = target
        self._crew = crew
        self._deadline = deadline
        self._clock = clock
        self._halt = Halt()
        self._number = 0

    async def watched(self, sources: SourceContext) -> tuple[Tally | None, list[Phase], PodUsage | None]:
        """Warm-up and phases, with the serving pods watched meanwhile."""
        pods = self._spec.pods
        if pods is None or self._crew.index:
            return *await self._all(), None
        watch = UsageWatch(pods, sources.list_objects)
        looking = asyncio.create_task(watch.run())
        try:
            warmup, phases = await self._all()
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
        return warmup, phases, watch.result()

    async def _all(self) -> tuple[Tally | None, list[Phase]]:
        load, warm = self._spec.load, self._spec.warmup.total_seconds()
        first = self._phase()
        warmup = (await self._run(first, warm)).tally if warm else None
        if load.ramp is None:
            held_for = load.open_loop or load.closed_loop or load.soak
            assert held_for is not None, "the model admits no load without a member"
            return warmup, [await self._run(first, held_for.duration.total_seconds())]
        phases: list[Phase] = []
        while True:
            steps = [Step(phase.rate or 0.0, held(phase, self._spec.thresholds)) for phase in phases]
            rate = next_rate(load.ramp, steps)
            if rate is None or (phases and phases[-1].tally.stopped):
                return warmup, phases
            phases.append(await self._run(replace(first, rate=rate), load.ramp.step.total_seconds()))

    def _phase(self) -> Phase:
        """What is asked for first; its counts are not used."""
        load, nothing = self._spec.load, Tally(1.0, 0.0)
        if load.closed_loop is not None:
            return Phase(nothing, concurrency=load.closed_loop.concurrency)
        rated = load.open_loop or load.soak
        rate = rated.rate if rated is not None else load.ramp.start if load.ramp is not None else None
        return Phase(nothing, rate=rate)

    async def _run(self, asked: Phase, seconds: float) -> Phase:
        """One load, cut short where the deadline comes first: what is in flight still gets its own timeout."""
        timeout = self._spec.target.timeout_seconds
        left = (self._deadline - self._clock()).total_seconds() - timeout - CLOSING_SECONDS
        tally = Tally(seconds, lag_allowed(self._spec.thresholds))
        self._number += 1
        if left < seconds:
            seconds, tally.stopped = left, True
        if seconds <= 0:
            return replace(asked, tally=tally)
        if self._target.peer is None:
            await self._one_by_one(asked, seconds, tally)
        else:
            try:
                found = await asyncio.to_thread(run_load, lambda: self._load(asked, seconds, timeout, tally))
            except asyncio.CancelledError:
                self._halt.asked = True
                raise
            tally.blocked, tally.elapsed, tally.busy = found.blocked, found.elapsed, found.busy
        return replace(asked, tally=tally)

    def _load(self, asked: Phase, seconds: float, timeout: float, tally: Tally) -> Load:
        sent = traffic(self._target, timeout, tally, self._halt)
        size, index = self._crew.size, self._crew.index
        if asked.rate is None:
            assert asked.concurrency is not None
            mine = asked.concurrency // size + (index < asked.concurrency % size)
            return ClosedLoad(sent, mine, seconds)
        seed = (self._spec.seed, index, self._number)
        return OpenLoad(sent, asked.rate / size, seconds, self._spec.max_in_flight, seed)

    async def _one_by_one(self, asked: Phase, seconds: float, tally: Tally) -> None:
        """For what is not HTTP/1.1: gRPC, and requests that are signed one by one."""
        if asked.rate is None:
            raise InvalidInput("spec.load.closedLoop: this endpoint is not spoken to over HTTP/1.1; use openLoop")
        model, bodies = self._target.model, self._target.bodies
        assert model is not None
        times = list(arrivals(asked.rate / self._crew.size, seconds, (self._spec.seed, self._crew.index, self._number)))

        async def send(index: int) -> Reply:
            return await model.ask(bodies[index % len(bodies)])

        started = time.monotonic()
        sent = await drive(times, send, self._spec.max_in_flight)
        tally.elapsed, tally.busy = time.monotonic() - started, sent.busy
        tally.blocked = sum(item.due > item.intended for item in sent.requests)
        for item in sent.requests:
            if item.reply.kind is not ReplyKind.ANSWERED:
                tally.failed(item.reply.kind.value, item.reply.error)
        good = [item.reply.kind is ReplyKind.ANSWERED for item in sent.requests]
        latency = [item.done - item.intended if ok else math.inf for ok, item in zip(good, sent.requests, strict=True)]
        intended = np.array([item.intended for item in sent.requests])
        lag = np.array([max(item.sent - item.due, 0.0) for item in sent.requests])
        tally.add(intended, np.array(latency), lag, np.array(latency))
