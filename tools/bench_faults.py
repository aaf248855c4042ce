"""``make bench-faults``: how long faults that need an API server alone take to be in place, and to be seen undone.

A real API server and its controllers, without nodes: a stand-in makes pods Ready. Runner and guardian are those of a
run and work side by side on its record, in this process. Figures are printed, and with --write kept for the table of
faults, which is written anew. Exit code 1 where a fault was not in place or not seen undone;
nothing passes or fails by a time.
"""

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import fault_figures
from fault_cases import API, MANY
from fault_figures import Conditions, Figure, Spread, spread
from generate import write_fault_table
from stand_in_pods import Crowd
from stand_in_run import StandIn

from firedrill import lab
from firedrill.api.changes import Change, ChangeState
from firedrill.api.record_text import to_text
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.lab.model import LabSpec
from firedrill.runner.arming import NotBegun
from firedrill.runner.context import Stop
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.faults.table import fault_of, undo_table
from firedrill.runner.injecting import Injecting
from firedrill.runner.planned import Part
from firedrill.runner.ports import REQUESTS_PER_SECOND
from firedrill.runner.undoing import Seen, UndoContext, Undoer, Undoing

Object = dict[str, Any]
#: On more pods than these, only a few faults are timed.
_ALL_UP_TO = 1000
#: Kubelets of thousands of pods write as much as they want to.
_STAND_IN_REQUESTS = 1000
_UNDONE_WITHIN = 900.0


@dataclass
class Timed:
    """One repetition; all times in seconds."""

    changes: int
    plan: float
    inject: list[float] = field(default_factory=list)
    undo: list[float] = field(default_factory=list)
    record_kib: float = 0.0
    problem: str = ""
    load: float = 0.0


class TimedFault:
    """A fault, with the time at which each change of it was in place."""

    def __init__(self, fault: Any) -> None:
        self._fault = fault
        self.done: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fault, name)

    async def apply(self, change: Any) -> Change:
        """Carry it out."""
        applied: Change = await self._fault.apply(change)
        self.done.append(time.monotonic())
        return applied


def _timed_undo(table: Mapping[Any, Undoer], done: dict[str, float]) -> dict[Any, Undoer]:
    def wrapped(undoer: Undoer) -> Undoer:
        async def undo(context: UndoContext, change: Any) -> Seen:
            look = await undoer.undo(context, change)
            if look.change.state is ChangeState.UNDONE:
                done.setdefault(change.key + change.type, time.monotonic())
            return look

        return replace(undoer, undo=undo)

    return {kind: wrapped(undoer) for kind, undoer in table.items()}


async def once(client: KubeClient, crowd: Crowd, raw: Object) -> Timed:
    """One fault on all pods of a crowd, from the plan to the settled record."""
    async with StandIn(client, crowd.namespace, raw) as run:
        carried_out = fault_of(run.context, run.spec)
        fault = TimedFault(carried_out)
        begun = time.monotonic()
        planned = await fault.plan(await crowd.views(), run.context.clock.now())
        timed = Timed(len(planned), time.monotonic() - begun)
        part = Part("", fault, timedelta(seconds=1), timedelta(seconds=60))
        injecting = Injecting(run.context, Stop())
        try:
            await injecting.claim([(part, planned)])
            await injecting.first()
            record = await injecting.enter([part])
            begun = time.monotonic()
            await injecting.apply([part], record)
        except (NotBegun, NotInjected) as error:
            timed.problem = str(error)
        timed.inject = [at - begun for at in fault.done]
        undone: dict[str, float] = {}
        begun = time.monotonic()
        table = _timed_undo(undo_table({part.key: carried_out}), undone)
        undoing = Undoing(run.context.for_undoing, run.context.store, table, "runner")
        record = await undoing.run(lambda: time.monotonic() - begun > _UNDONE_WITHIN)
        timed.undo = [at - begun for at in undone.values()]
        timed.record_kib = len(to_text(record)) / 1024
        if not record.state.settled:
            timed.problem += f" the record is {record.state}"
    timed.load = os.getloadavg()[0]
    return timed


def figure(name: str, pods: int, found: Sequence[Timed]) -> Figure:
    """All repetitions of a fault as one figure."""
    return Figure(
        fault=name,
        pods=pods,
        real=False,
        repetitions=len(found),
        changes=max(each.changes for each in found),
        inject=spread([at for each in found for at in each.inject]),
        undo=spread([at for each in found for at in each.undo]),
        plan=round(max(each.plan for each in found), 3),
        record_kib=round(max(each.record_kib for each in found), 1),
        problem="; ".join(dict.fromkeys(each.problem.strip() for each in found if each.problem)),
        conditions=conditions([each.load for each in found]),
    )


def conditions(loads: Sequence[float]) -> Conditions:
    """What the machine is like, given its load at the end of each repetition."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return Conditions(day=day, processors=os.cpu_count() or 1, nice=os.nice(0), load=round(max(loads), 1))


@asynccontextmanager
async def cluster(context: str) -> AsyncIterator[tuple[KubeClient, KubeClient]]:
    """Clients of runner and stand-in for the cluster of a context, else for a lab of its own without nodes."""
    made = "" if context else f"bench-{uuid.uuid4().hex[:6]}"
    try:
        if made:
            spec = LabSpec(name=made, clusters=("hub",), nodes=False, images=False)
            os.environ["KUBECONFIG"] = str((await asyncio.to_thread(lab.up, spec)).kubeconfig)
        where = context or "firedrill-hub"
        rates = (REQUESTS_PER_SECOND, _STAND_IN_REQUESTS)
        clients = [
            KubeClient(await api_from_environment(where), "bench", requests_per_second=rate, timeout=60)
            for rate in rates
        ]
        try:
            yield clients[0], clients[1]
        finally:
            for client in clients:
                await client.close()
    finally:
        if made:
            await asyncio.to_thread(lab.down, made)


def told(found: Figure) -> str:
    """A figure in a line."""

    def seconds(each: Spread | None) -> str:
        return f"{each.p50:.2f} / {each.p99:.2f} / {each.last:.2f} s" if each else "none"

    problem = f"; {found.problem}" if found.problem else ""
    return (
        f"{found.fault} on {found.pods} pods, {found.changes} changes x {found.repetitions}: "
        f"in place {seconds(found.inject)}, undone {seconds(found.undo)} (p50 / p99 / last), "
        f"record {found.record_kib:.0f} KiB, load {found.conditions.load:g}{problem}"
    )


async def run(counts: Sequence[int], faults: Sequence[str], times: int, context: str, write: bool) -> list[Figure]:
    """All of it, one after the other; what is found is kept as it comes where it is to be."""
    found = []
    async with cluster(context) as (client, stand_in):
        await StandIn.prepare(client)
        for count in counts:
            chosen = faults or (tuple(API) if count <= _ALL_UP_TO else MANY)
            async with Crowd(stand_in, count) as crowd:
                for name in chosen:
                    timed = []
                    for _ in range(times):
                        timed.append(await once(client, crowd, {name: API[name]}))
                        await crowd.settled()
                    found.append(figure(name, count, timed))
                    tell(found[-1], write)
    return found


def options_of(parser: argparse.ArgumentParser, known: Collection[str], default: str) -> argparse.Namespace:
    """What was asked for, ``counts`` of pods and ``faults`` as lists; ends the program where a fault is unknown."""
    parser.add_argument("--pods", default="1,10,100", help="how many pods, one after the other")
    parser.add_argument("--faults", default=default, help="which faults, apart by commas")
    parser.add_argument("--times", type=int, default=1, help="how often each")
    parser.add_argument("--write", action="store_true", help="keep the figures, and write docs/fault-table.md")
    options = parser.parse_args()
    options.faults = [name for name in options.faults.split(",") if name]
    unknown = sorted(set(options.faults) - set(known))
    if unknown or options.times < 1:
        parser.error(f"--faults: {', '.join(unknown)} is not timed here" if unknown else "--times must be at least 1")
    options.counts = [int(each) for each in options.pods.split(",")]
    return options


def tell(found: Figure, write: bool) -> None:
    """Print a figure as it comes, and keep it where it is to be."""
    print(told(found), flush=True)
    if write:
        fault_figures.keep([found])


def ended(found: Sequence[Figure], write: bool) -> int:
    """Write the table where it is to be; 1 where a fault was not in place, or not seen undone."""
    if write:
        write_fault_table()
    return 1 if any(each.problem for each in found) else 0


def main() -> int:
    """Entry point: 1 where a fault was not in place, or not seen undone."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\nWithout --faults all, and on more than {_ALL_UP_TO} pods a few."
    )
    parser.add_argument("--context", default="", help="an existing cluster; a lab without nodes when absent")
    options = options_of(parser, API, "")
    return ended(
        asyncio.run(run(options.counts, options.faults, options.times, options.context, options.write)), options.write
    )


if __name__ == "__main__":
    sys.exit(main())
