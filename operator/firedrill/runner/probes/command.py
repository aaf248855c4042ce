"""A program in the runner's own pod."""

import asyncio
import contextlib
import os
import shutil
import signal
from typing import Final

from firedrill.api.probe_cluster import CommandProbe
from firedrill.engines.chaos.permission import Refusal

#: Where programs are looked for; nothing of the runner's own environment is handed on.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT: Final = {"PATH": _PATH, "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - an emptyDir of this pod
_OUTPUT_LIMIT: Final = 64 * 1024


class CommandAsk:
    """Starts the program anew each time, in a process group that is killed with it."""

    def __init__(self, probe: CommandProbe) -> None:
        self._probe = probe

    async def ready(self) -> Refusal | None:
        """Why it can not be asked: the image has no such program. Whether it is allowed, the policy has said."""
        name = self._probe.command[0]
        if shutil.which(name, path=_PATH) is None:
            return Refusal("NotApplicable", f"the runner's image has no program {name} in {_PATH}")
        return None

    async def __call__(self) -> tuple[bool | None, str]:
        """Whether it ended as expected in time."""
        program = shutil.which(self._probe.command[0], path=_PATH)
        if program is None:
            return None, f"there is no program {self._probe.command[0]}"
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *self._probe.command[1:],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return None, f"it can not be started: {error.strerror}"
        try:
            async with asyncio.timeout(self._probe.timeout.total_seconds()):
                output = await _read(process)
                code = await process.wait()
        except TimeoutError:
            return False, "timeout"
        finally:
            # Also where the question itself is cancelled, and for what it has left in the background.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if code != self._probe.expect_exit_code:
            return False, f"exit code {code}"
        wanted = self._probe.stdout_contains
        if wanted is not None and wanted not in output.decode(errors="replace"):
            return False, "its output lacks the text"
        return True, ""

    async def close(self) -> None:
        """Nothing is kept running."""


async def _read(process: asyncio.subprocess.Process) -> bytes:
    """The first part of the output; the rest is read and thrown away, so that the program is not held up."""
    assert process.stdout is not None  # it is a pipe
    kept = b""
    while chunk := await process.stdout.read(_OUTPUT_LIMIT):
        kept += chunk[: _OUTPUT_LIMIT - len(kept)]
    return kept
