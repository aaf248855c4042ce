"""Runs whose every process is killed, so that what ends them is nobody of ours."""

import asyncio
import time

from chaos_harness import Bench, Run

from firedrill.api.changes import HeldInPod
from firedrill.api.record import Record
from firedrill.clusters import paths
from firedrill.core.naming import guardian_name, record_name
from support.pod_process import sigkill


async def all_of_ours_die(bench: Bench, run: Run) -> Record:
    """Runner and guardian by SIGKILL, with their Jobs, so that nobody starts them again; there is no operator here."""
    record = await run.state("Applied")
    guardian = await run.pod(guardian_name(run.job))
    for job in (guardian_name(run.job), run.job):
        await bench.client.delete(paths.jobs(bench.runner, job), propagation="Orphan")
    await bench.client.delete(paths.pods(bench.runner, guardian["metadata"]["name"]), grace_seconds=0)
    sigkill(guardian["metadata"]["uid"])
    await run.sigkill(run.job)
    return record


async def until_it_must_be_over(record: Record) -> None:
    ends = [change.expires_at for change in record.changes if isinstance(change, HeldInPod) and change.expires_at]
    await asyncio.sleep(max(0.0, max(ends).timestamp() - time.time()) + 7)


async def seen_to(bench: Bench, run: Run, record: Record) -> None:
    """Nobody has settled the record; while it is there, nothing else may be done to these pods."""
    assert (await run.record() or record).state == "Applied"
    await bench.client.delete(paths.configmaps(bench.runner, record_name(run.job)))
