"""``firedrill surge``: sends read requests to the API server of its cluster, started by a runner.

It tells on stdout what was answered, a line of JSON at a time. It ends with the one that has started it, and at its
time: the kernel sees to both.
"""

import argparse
import asyncio
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from firedrill.runner.surge.port import Surge

_PARENT_DEATH_SIGNAL: Final = 1
_TELL_SECONDS: Final = 0.5
#: Requests that are never answered must not pile up.
_TIMEOUT: Final = 10.0
_UNLIMITED: Final = 100_000


def main(argv: Sequence[str]) -> int:
    """Entry point: 0 when the time is over, 64 for arguments that are out of bounds, 1 where nobody waits for it."""
    parser = argparse.ArgumentParser(prog="firedrill surge", description="Read requests, again and again.")
    parser.add_argument("--path", required=True)
    parser.add_argument("--rate", type=int, required=True, help="requests a second")
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--until", type=float, required=True, help="Unix time; the kernel ends the process then")
    parser.add_argument("--parent", type=int, required=True, help="the process that has started it, and ends it")
    options = parser.parse_args(argv)
    left = options.until - time.time()
    if not 0 < left <= 86400:
        parser.error("until must be within a day from now")
    if not options.path.startswith(("/api/", "/apis/")):
        parser.error("path must be one of the API")
    # Before anything that takes long to import: what begins late ends all the same.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, left + 1.0)
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != options.parent:
        # It has ended already, and nobody tells of that any more.
        return 1
    from firedrill.api.faults.controlplane import ApiSurge
    from firedrill.runner.surge.port import Surge

    # The bounds of the fault hold here as well, whoever calls.
    ApiSurge(rate=options.rate, concurrency=options.concurrency, acknowledge_cluster_wide=True)
    asyncio.run(_run(Surge(options.path, options.rate, options.concurrency, options.until)))
    return 0


async def _run(surge: "Surge") -> None:
    from firedrill.clusters.client import KubeClient
    from firedrill.clusters.credentials import api_from_environment
    from firedrill.runner.surge.sending import Statuses, send

    statuses = Statuses()
    # The surge has its own limit: that of the client must not be the lower one.
    client = KubeClient(
        await api_from_environment(),
        "target",
        requests_per_second=_UNLIMITED,
        timeout=_TIMEOUT,
        observer=statuses.observe,
    )
    telling = asyncio.ensure_future(_tell(lambda: _say(statuses.counted)))
    try:
        await send(surge, client.text)
    finally:
        telling.cancel()
        await client.close()
        _say(statuses.counted)


async def _tell(say: Callable[[], None]) -> None:
    while True:
        say()
        await asyncio.sleep(_TELL_SECONDS)


def _say(counted: Mapping[int, int]) -> None:
    sys.stdout.write(json.dumps(counted) + "\n")
    sys.stdout.flush()
