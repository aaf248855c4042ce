"""``firedrill surge``: sends read requests to the API server of its cluster, started by a runner.

It tells on stdout what was answered, a line of JSON at a time. It ends with the one that has started it, and at its
time: the kernel sees to both.
"""

import argparse
import asyncio
import ctypes
import json
import signal
import sys
from collections.abc import Sequence
from typing import Final

from firedrill.api.faults.controlplane import ApiSurge
from firedrill.runner.surge.port import Surge
from firedrill.runner.surge.sending import Statuses, send

_PARENT_DEATH_SIGNAL: Final = 1
_TELL_SECONDS: Final = 0.5
#: Requests that are never answered must not pile up.
_TIMEOUT: Final = 10.0
_UNLIMITED: Final = 100_000


def main(argv: Sequence[str]) -> int:
    """Entry point: 0 when the time is over, 64 for arguments that are out of bounds."""
    parser = argparse.ArgumentParser(prog="firedrill surge", description="Read requests, again and again.")
    parser.add_argument("--path", required=True)
    parser.add_argument("--rate", type=int, required=True, help="requests a second")
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="the kernel ends the process after them")
    options = parser.parse_args(argv)
    if not 0 < options.seconds <= 86400:
        parser.error("seconds must be between 0 and 86400")
    if not options.path.startswith(("/api/", "/apis/")):
        parser.error("path must be one of the API")
    # The bounds of the fault hold here as well, whoever calls.
    ApiSurge(rate=options.rate, concurrency=options.concurrency, acknowledge_cluster_wide=True)
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, options.seconds + 1.0)
    asyncio.run(_run(Surge(options.path, options.rate, options.concurrency, options.seconds)))
    return 0


async def _run(surge: Surge) -> None:
    from firedrill.clusters.client import KubeClient
    from firedrill.clusters.credentials import api_from_environment

    statuses = Statuses()
    # The surge has its own limit: that of the client must not be the lower one.
    client = KubeClient(
        await api_from_environment(),
        "target",
        requests_per_second=_UNLIMITED,
        timeout=_TIMEOUT,
        observer=statuses.observe,
    )
    telling = asyncio.ensure_future(_tell(statuses))
    try:
        await send(surge, client.text)
    finally:
        telling.cancel()
        await client.close()
        _say(statuses)


async def _tell(statuses: Statuses) -> None:
    while True:
        _say(statuses)
        await asyncio.sleep(_TELL_SECONDS)


def _say(statuses: Statuses) -> None:
    sys.stdout.write(json.dumps(statuses.counted) + "\n")
    sys.stdout.flush()
