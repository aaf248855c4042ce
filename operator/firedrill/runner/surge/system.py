"""Surges in child processes."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections import Counter

from firedrill.runner.surge.port import Surge, Told

log = logging.getLogger(__name__)


class SystemSurges:
    """Starts ``firedrill surge`` with arguments in a list."""

    async def begin(self, surge: Surge) -> "ChildSurge":
        """Start it; raises OSError."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "firedrill",
            "surge",
            "--path",
            surge.path,
            "--rate",
            str(surge.rate),
            "--concurrency",
            str(surge.concurrency),
            "--until",
            f"{surge.until:.3f}",
            "--parent",
            str(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        return ChildSurge(process)


class ChildSurge:
    """A surge in a child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._told = Told()
        self._reading = asyncio.ensure_future(self._read())

    def told(self) -> Told:
        """What it has told last."""
        return self._told

    async def look(self) -> tuple[bool, str]:
        """Whether its process lives."""
        return self._process.returncode is None, str(self._told)

    async def close(self) -> None:
        """SIGKILL, and wait for its end: what it had told by then counts."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None  # it was asked for
        async for line in self._process.stdout:
            try:
                statuses = {int(status): int(count) for status, count in json.loads(line).items()}
            except ValueError:
                log.warning("the surge has told what is no count: %.100r", line)
                continue
            self._told = Told(Counter(statuses))
