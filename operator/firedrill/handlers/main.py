"""``firedrill operator``: the process of the operator."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys

import kopf

from firedrill.api.errors import InvalidInput
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.lease import LeaseLost
from firedrill.clusters.logs import set_up
from firedrill.clusters.metrics import Metrics
from firedrill.handlers.events import registry_for
from firedrill.handlers.operator import Operator
from firedrill.handlers.server import serve
from firedrill.handlers.settings import Settings, from_environment

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> int:
    """Wait for the lease, then work until a signal comes (0), or the lease is lost or work fails (1)."""
    stop = asyncio.Event()
    _on_signals(stop)
    metrics = Metrics()
    hub = KubeClient(
        await api_from_environment(),
        "hub",
        observer=metrics.request_seen,
        requests_per_second=settings.requests_per_second,
    )
    operator = Operator(hub, settings, metrics)
    server = await serve(settings.port, metrics.registry, operator.problem)
    try:
        return await _lead(operator, stop)
    finally:
        await server.cleanup()
        await hub.close()


async def _lead(operator: Operator, stop: asyncio.Event) -> int:
    stopping = asyncio.create_task(stop.wait())
    leading = asyncio.create_task(operator.lease.acquire())
    await asyncio.wait({stopping, leading}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        leading.cancel()
        return 0
    kopf_ready, kopf_ends = asyncio.Event(), asyncio.Event()
    watching = asyncio.create_task(
        kopf.operator(
            registry=registry_for(operator),
            clusterwide=True,
            standalone=True,
            ready_flag=kopf_ready,
            stop_flag=kopf_ends,
        )
    )
    working = asyncio.create_task(operator.run())
    hearing = asyncio.create_task(_hear(kopf_ready, stop))
    await asyncio.wait({stopping, watching, working}, return_when=asyncio.FIRST_COMPLETED)
    hearing.cancel()
    working.cancel()
    try:
        code = 0 if await _ended(working) else 1
        # Before kopf ends, which takes its time: the next operator need not wait for the lease to expire.
        await operator.lease.release()
    finally:
        kopf_ends.set()
        watched = await _ended(watching)
    return code if watched else 1


async def _hear(kopf_ready: asyncio.Event, stop: asyncio.Event) -> None:
    """kopf takes the signals over when it starts, and cancels our tasks when one comes: take them back."""
    await kopf_ready.wait()
    _on_signals(stop)


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _ended(task: asyncio.Task[None]) -> bool:
    """Wait for the end of a task: True when it was asked to end, False when it failed or the lease is lost."""
    try:
        await task
    except asyncio.CancelledError:
        logger.info("stopped")
    except Exception as error:
        if isinstance(error, ExceptionGroup) and error.subgroup(LeaseLost):
            logger.error("the lease is lost: this process ends, so that another can take over")
        else:
            logger.exception("this process ends, so that another can take over")
        return False
    return True


def main(argv: list[str]) -> int:
    """Start the operator; returns its exit code."""
    parser = argparse.ArgumentParser(prog="firedrill operator", description=__doc__)
    parser.parse_args(argv)
    try:
        settings = from_environment()
        set_up(settings.log_level)
        with contextlib.suppress(KeyboardInterrupt):
            return asyncio.run(run(settings))
    except InvalidInput as error:
        sys.stderr.write(f"firedrill operator: {error}\n")
        return 64
    return 0
