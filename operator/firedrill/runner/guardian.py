"""``firedrill guardian``: sees to it that no change outlives its run, with nobody's help.

It is a Job of its own beside the runner's. It arms itself in the record, watches, and undoes everything itself when
the deadline passes, when the operator asks to stop and the runner does not, or when the runner is gone. It gives up
on no error: it goes on until everything is seen undone.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from firedrill.api.changes import ChangeBase
from firedrill.api.errors import InvalidInput
from firedrill.api.record import Control, GuardianView, Record
from firedrill.api.task import Task
from firedrill.clusters import paths
from firedrill.clusters.access import Access, allowed
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError, Forbidden, NotFound
from firedrill.runner import logs
from firedrill.runner.context import RunContext, Stop, read_identity, read_task
from firedrill.runner.guarding import Act, Arm, Leave, RunnerView, Situation, decide
from firedrill.runner.ports import REQUESTS_PER_SECOND, SystemClock
from firedrill.runner.record_store import RecordLost, RecordStore
from firedrill.runner.restoring import presumed
from firedrill.runner.retry import retry
from firedrill.runner.sweeping import sweep
from firedrill.runner.undoing import Undoer, Undoing, UndoTable, vaults_of

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 10.0
_ENDED_PHASES: Final = ("Succeeded", "Failed")


def undo_table(kind: str) -> Mapping[type[ChangeBase], Undoer]:
    """How the changes of a kind are undone. Imported by kind, so that a guardian needs no other kind's parts."""
    if kind == "AutoFix":
        from firedrill.runner.fix import UNDO_TABLE

        return UNDO_TABLE
    from firedrill.runner.faults.table import UNDO

    return UNDO


def vaults(task: Task) -> set[str]:
    """The Secrets in which a run may keep originals, as far as its task tells."""
    if task.kind != "ChaosExperiment":
        return set()
    from firedrill.runner.faults.table import vaults as of_fault

    return of_fault(task)


class Guardian:
    """Guards one run."""

    def __init__(self, context: RunContext, table: UndoTable) -> None:
        self._context = context
        self._table = table
        self._last: Record | None = None
        self._abort_seen_at: datetime | None = None
        self._armed_for: frozenset[Access] | None = None

    async def run(self) -> None:
        """Guard until nothing is left to guard."""
        wait = POLL_SECONDS
        while True:
            try:
                if await self._look():
                    return
                wait = POLL_SECONDS
            except (ClusterError, RecordLost) as error:
                log.warning("guarding goes on after an error: %s", error)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            except Exception:
                # Whatever it is, a guardian that ends leaves a fault behind.
                log.exception("guarding goes on after an unexpected error")
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            await self._context.clock.sleep(wait)

    async def _look(self) -> bool:
        """One look, and what follows from it; whether the guardian may leave."""
        record, control = await self._context.store.read()
        if record is None and self._last is not None and not self._last.state.settled:
            record = await self._write_again(self._last)
        self._last = record or self._last
        step = decide(await self._situation(record, control), self._context.task)
        match step:
            case Leave(why):
                log.info("leaving: %s", why)
                await self._forget()
                return True
            case Act(why):
                log.warning("undoing everything: %s", why)
                settled = await self._undoing().run(message=f"undone by the guardian: {why}")
                self._last = settled
                log.info("the record is %s", settled.state)
                return True
            case Arm():
                assert record is not None  # there is no arming without a record
                await self._arm(record)
        return False

    async def _forget(self) -> None:
        """Take away what the run keeps in a vault: a runner that died may have left it there."""
        secrets = vaults_of(self._last) if self._last else vaults(self._context.task)
        try:
            await self._context.vault.forget(secrets)
        except Forbidden as error:
            log.info("without the right to it, nothing was ever kept: %s", error)

    async def _situation(self, record: Record | None, control: Control) -> Situation:
        now = self._context.clock.now()
        if control.abort and self._abort_seen_at is None:
            self._abort_seen_at = now
        return Situation(
            now=now,
            record=record,
            control=control,
            runner=await self._runner(),
            abort_seen_at=self._abort_seen_at,
            armed=record is not None and self._is_armed(record),
        )

    async def _runner(self) -> RunnerView:
        task, client = self._context.task, self._context.client
        query = {"labelSelector": f"batch.kubernetes.io/job-name={task.job}"}
        listed = await client.get(paths.pods(task.runner_namespace), query)
        live = frozenset(
            pod["metadata"]["uid"]
            for pod in listed.get("items") or ()
            if pod.get("status", {}).get("phase") not in _ENDED_PHASES
        )
        try:
            job = await client.get(paths.jobs(task.runner_namespace, task.job))
        except NotFound:
            return RunnerView(live, over=True)
        conditions = job.get("status", {}).get("conditions") or ()
        ended = any(item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in conditions)
        return RunnerView(live, over=ended or job["metadata"]["uid"] != task.job_uid)

    def _is_armed(self, record: Record) -> bool:
        mine = record.guardian is not None and record.guardian.pod_uid == self._context.identity.uid
        # Each change that is added to a record waits for a guardian that has seen it.
        seen_all = mine and record.guardian is not None and record.guardian.changes == len(record.changes)
        return seen_all and self._armed_for == self._needs(record)

    def _needs(self, record: Record) -> frozenset[Access]:
        return frozenset(need for change in record.changes for need in self._table[type(change)].needs(change))

    async def _arm(self, record: Record) -> None:
        needs = self._needs(record)
        missing = [str(need) for need in sorted(needs, key=str) if not await self._may(need)]
        problem = f"its service account may not {', '.join(missing)}" if missing else await self._unready(record)
        if not problem:
            # Somebody may delete the Secret, as they may delete the record.
            await self._context.vault.remember(change.kept_in for change in record.changes if change.kept_in)
        view = GuardianView(
            pod_uid=self._context.identity.uid,
            node=self._context.identity.node,
            armed_at=self._context.clock.now(),
            permitted=not problem,
            message=problem,
            changes=len(record.changes),
        )
        await self._context.store.update(lambda found: found.model_copy(update={"guardian": view}))
        self._armed_for = needs
        log.info("armed: %s", view.message or f"may do all that undoing takes ({len(needs)} checks)")

    async def _unready(self, record: Record) -> str:
        """What undoing lacks beside rights, such as a login; empty where nothing is."""
        context = self._context.for_undoing
        for change in record.changes:
            unready = self._table[type(change)].unready
            problem = await unready(context, change) if unready else ""
            if problem:
                return problem
        return ""

    async def _may(self, need: Access) -> bool:
        return await retry(self._context.clock, lambda: allowed(self._context.client, need), f"asking for {need}")

    async def _write_again(self, last: Record) -> Record | None:
        """Somebody deleted the record while changes may be in place: write it again, to be undone."""
        log.error("the record is gone though it was %s; writing it again", last.state)
        await self._context.store.restore(presumed(last, self._context.clock.now()))
        record, _control = await self._context.store.read()
        return record

    def _undoing(self) -> Undoing:
        return Undoing(self._context.for_undoing, self._context.store, self._table, "guardian")


async def guard(task: Task) -> None:
    """Guard a run from inside its target."""
    client = KubeClient(await api_from_environment(), task.cluster, requests_per_second=REQUESTS_PER_SECOND)
    clock = SystemClock()
    try:
        context = RunContext(task, client, RecordStore(client, task, clock), clock, read_identity(), Stop())
        await Guardian(context, undo_table(task.kind)).run()
    finally:
        await client.close()


def main(argv: Sequence[str]) -> int:
    """Entry point of ``firedrill guardian``: 0 when nothing is left to guard, 64 for a wrong task.

    With ``--sweep`` 1 where something is left.
    """
    parser = argparse.ArgumentParser(prog="firedrill guardian", description="Undo what a run leaves behind.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", type=Path, help="the task of the run to guard, as JSON")
    what.add_argument("--sweep", action="store_true", help="undo what nobody guards any more in this namespace")
    options = parser.parse_args(argv)
    if options.sweep:
        return _sweep()
    # When its pod is to go, the guardian works on until it is killed: its Job starts another one, but later.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        task = read_task(options.task)
        logs.set_up(task, "guardian")
        asyncio.run(guard(task))
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return 64
    return 0


def _sweep() -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        left = asyncio.run(sweep(undo_table))
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return 64
    except ClusterError as error:
        left = [str(error)]
    for problem in left:
        log.error("left: %s", problem)
    return 1 if left else 0
