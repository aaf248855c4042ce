"""``make bench-faults``: how long faults take to be in place and to be seen undone, by way and by number of pods.

A real API server and its controllers, without nodes: a stand-in makes pods Ready. Runner and guardian are those of a
run and work side by side on its record, in this process. Figures are printed and kept in out/bench-faults.json;
nothing passes or fails.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from stand_in_pods import Crowd
from stand_in_run import StandIn

from firedrill import lab
from firedrill.api.changes import Change, ChangeState
from firedrill.api.faults.union import Fault
from firedrill.api.record_text import to_text
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.lab.model import LabSpec
from firedrill.runner.faults.driver import NotInjected
from firedrill.runner.faults.table import UNDO, fault_of
from firedrill.runner.injecting import Injecting, NotBegun
from firedrill.runner.ports import REQUESTS_PER_SECOND
from firedrill.runner.undoing import Seen, UndoContext, Undoer, Undoing

OUT = Path(__file__).resolve().parent.parent / "out"
Object = dict[str, Any]

#: One of each way that needs no node, and how many changes it makes: one a pod, or one in all.
FAULTS: dict[str, tuple[Object, str]] = {
    "podKill": ({"podKill": {}}, "a pod"),
    "finalizerBlock": ({"finalizerBlock": {}}, "a pod"),
    "scale": ({"scale": {"replicas": 0}}, "in all"),
    "imageBreak": ({"imageBreak": {}}, "in all"),
    "configDrift": ({"configDrift": {"name": "shop", "key": "mode", "value": "wrong"}}, "in all"),
    "secretRotate": ({"secretRotate": {"name": "shop", "key": "password"}}, "in all"),
    "serviceDelete": ({"serviceDelete": {"service": "shop"}}, "in all"),
    "quotaExhausted": ({"quotaExhausted": {}}, "in all"),
}


@dataclass
class Timed:
    """What was measured of one fault on so many pods; all times in seconds."""

    fault: str
    pods: int
    changes: int = 0
    way: str = ""
    plan: float = 0.0
    inject: list[float] = field(default_factory=list)
    undo: list[float] = field(default_factory=list)
    record_kib: float = 0.0
    problem: str = ""


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


def _timed_undo(done: dict[str, float]) -> dict[Any, Undoer]:
    def wrapped(undoer: Undoer) -> Undoer:
        async def undo(context: UndoContext, change: Any) -> Seen:
            look = await undoer.undo(context, change)
            if look.change.state is ChangeState.UNDONE:
                done.setdefault(change.key + change.type, time.monotonic())
            return look

        return replace(undoer, undo=undo)

    return {kind: wrapped(undoer) for kind, undoer in UNDO.items()}


async def measure(client: KubeClient, crowd: Crowd, name: str) -> Timed:
    """One fault on all pods of a crowd, from the plan to the settled record."""
    raw, _ = FAULTS[name]
    timed = Timed(name, crowd.count)
    timed.way = Fault.model_validate(raw).about.undone
    async with StandIn(client, crowd.namespace, raw) as run:
        fault = TimedFault(fault_of(run.context, run.spec))
        begun = time.monotonic()
        planned = await fault.plan(await crowd.views(), run.context.clock.now())
        timed.plan, timed.changes = time.monotonic() - begun, len(planned)
        injecting = Injecting(run.context, fault, timedelta(seconds=1), timedelta(seconds=60))  # type: ignore[arg-type]
        try:
            await injecting.claim(planned)
            await injecting.await_guardian()
            begun = time.monotonic()
            await injecting.apply()
            timed.inject = [at - begun for at in fault.done]
        except (NotBegun, NotInjected) as error:
            timed.problem = str(error)
        undone: dict[str, float] = {}
        begun = time.monotonic()
        undoing = Undoing(
            UndoContext(client, run.context.task, run.context.clock, run.context.vault),
            run.context.store,
            _timed_undo(undone),
            "runner",
        )
        record = await undoing.run(lambda: time.monotonic() - begun > 900)
        timed.undo = [at - begun for at in undone.values()]
        timed.record_kib = len(to_text(record)) / 1024
        if not record.state.settled:
            timed.problem += f" the record is {record.state}"
    return timed


@asynccontextmanager
async def cluster(context: str) -> AsyncIterator[KubeClient]:
    """The cluster of a context, else a lab of its own without nodes."""
    if context:
        made = ""
    else:
        made = f"bench-{uuid.uuid4().hex[:6]}"
        spec = LabSpec(name=made, clusters=("hub",), nodes=False, images=False)
        os.environ["KUBECONFIG"] = str((await asyncio.to_thread(lab.up, spec)).kubeconfig)
        context = "firedrill-hub"
    client = KubeClient(
        await api_from_environment(context), "bench", requests_per_second=REQUESTS_PER_SECOND, timeout=60
    )
    try:
        yield client
    finally:
        await client.close()
        if made:
            await asyncio.to_thread(lab.down, made)


def _cells(timed: Timed) -> list[str]:
    def two(values: Sequence[float]) -> str:
        if not values:
            return "none"
        cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else list(values) * 99
        return f"{cuts[49]:.2f} / {cuts[98]:.2f} / {max(values):.2f}"

    return [
        f"{timed.pods}",
        timed.fault,
        f"{timed.changes}",
        f"{timed.plan:.2f}",
        two(timed.inject),
        two(timed.undo),
        f"{timed.record_kib:.0f}",
        timed.problem,
    ]


def show(found: Sequence[Timed]) -> None:
    """Print what was measured, as Markdown."""
    times = "p50 / p99 / last"
    columns = ("pods", "fault", "changes", "plan, s", f"in place, s: {times}", f"undone, s: {times}", "record, KiB", "")
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for timed in found:
        print(f"| {' | '.join(_cells(timed))} |")


async def run(counts: Sequence[int], faults: Sequence[str], context: str) -> list[Timed]:
    """All of it, one after the other."""
    found = []
    async with cluster(context) as client:
        await StandIn.prepare(client)
        for count in counts:
            async with Crowd(client, count) as crowd:
                for name in faults:
                    found.append(await measure(client, crowd, name))
                    print(" | ".join(_cells(found[-1])), file=sys.stderr, flush=True)
                    await crowd.settled()
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", default="1,10,100", help="how many pods, one after the other")
    parser.add_argument("--faults", default=",".join(FAULTS), help="which faults")
    parser.add_argument("--context", default="", help="an existing cluster; a lab without nodes when absent")
    options = parser.parse_args()
    counts = [int(each) for each in options.pods.split(",")]
    found = asyncio.run(run(counts, options.faults.split(","), options.context))
    show(found)
    OUT.mkdir(exist_ok=True)
    (OUT / "bench-faults.json").write_text(json.dumps([asdict(each) for each in found]))


if __name__ == "__main__":
    main()
