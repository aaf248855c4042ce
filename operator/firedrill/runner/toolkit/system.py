"""Chaos Toolkit in child processes: one command of ours, with a folder to talk through."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from firedrill.engines.chaos.toolkit.journal import Activity, Hypothesis, Journal
from firedrill.runner.toolkit.port import Object, Request, RolledBack, ToolkitRefused

log = logging.getLogger(__name__)

REQUEST: Final = "request.json"
ANSWER: Final = "answer.json"
JOURNAL: Final = "journal.json"
_PREPARE_SECONDS: Final = 90.0
#: All that a child is given of our environment: nothing that an experiment could read a secret from.
_GIVEN: Final = (
    "PATH",
    "PYTHONPATH",
    "PYTHONDONTWRITEBYTECODE",
    "HOME",
    "LANG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "KUBECONFIG",
)


class SystemToolkit:
    """Starts ``firedrill toolkit`` with arguments in a list."""

    async def prepare(self, request: Request) -> Object:
        """Check an experiment and resolve its configuration by reading alone; raises ToolkitRefused."""
        asked = {"experiment": request.experiment, "env": request.env, "namespace": request.namespace}
        answer = await _asked("prepare", asked, timedelta(seconds=_PREPARE_SECONDS))
        if "experiment" not in answer:
            raise ToolkitRefused(str(answer.get("error") or "Chaos Toolkit did not say why"))
        return dict(answer["experiment"])

    async def start(self, experiment: Object, hypothesis: str, every: timedelta, ends_in: timedelta) -> "ChildRun":
        """Begin a prepared experiment. The kernel ends its process after ``ends_in``."""
        asked = {"experiment": experiment, "hypothesis": hypothesis, "every": every.total_seconds()}
        folder = _folder(asked)
        return ChildRun(await _start("run", folder, ends_in), folder)

    async def roll_back(self, experiment: Object, done: Sequence[int], limit: timedelta) -> RolledBack:
        """Run the rollbacks that are not ``done`` in their order, for no longer than ``limit``."""
        answer = await _asked("rollback", {"experiment": experiment, "done": list(done)}, limit)
        verified = answer.get("verified")
        return RolledBack(
            done=[*done, *answer.get("done", [])],
            rollbacks=[Activity.model_validate(each) for each in answer.get("rollbacks", [])],
            verified=Hypothesis.model_validate(verified) if verified else None,
            error=str(answer.get("error", "")),
        )


class ChildRun:
    """An experiment in a child process."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._last = Journal()

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        return self._process.returncode is not None

    @property
    def journal(self) -> Journal:
        """What it has told last."""
        try:
            self._last = Journal.model_validate_json((self._folder / JOURNAL).read_bytes())
        except FileNotFoundError:
            log.debug("no journal yet")
        except (OSError, ValidationError) as error:
            log.warning("the journal can not be read: %s", error)
        if self._process.returncode and not self._last.error:
            return self._last.model_copy(update={"error": f"its process ended with {self._process.returncode}"})
        return self._last

    def interrupt(self) -> None:
        """Ask it to stop, and to run its rollbacks."""
        if not self.ended:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End its process at once, with all that it has started."""
        _kill(self._process)


async def _asked(command: str, request: Object, limit: timedelta) -> Object:
    """The answer of a command that is over soon; what went wrong is in its ``error``."""
    folder = _folder(request)
    try:
        process = await _start(command, folder, limit)
        try:
            async with asyncio.timeout(limit.total_seconds() + 1):
                code = await process.wait()
        except TimeoutError:
            return {**_read(folder), "error": f"firedrill toolkit {command} took more than {limit}"}
        finally:
            _kill(process)
        answer = _read(folder)
        if code and not answer.get("error"):
            answer["error"] = f"firedrill toolkit {command} ended with {code}"
        return answer
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _start(command: str, folder: Path, ends_in: timedelta) -> asyncio.subprocess.Process:
    arguments = ["-m", "firedrill", "toolkit", command, "--folder", str(folder)]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        "--ends-in",
        str(max(1, int(ends_in.total_seconds()))),
        env={**{name: os.environ[name] for name in _GIVEN if name in os.environ}, "CHAOSTOOLKIT_IN_POD": "true"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
    )


def _folder(request: Object) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="firedrill-toolkit-"))
    (folder / REQUEST).write_text(json.dumps(request))
    return folder


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / ANSWER).read_bytes())
    except FileNotFoundError:
        return {}
    return found


def _kill(process: asyncio.subprocess.Process) -> None:
    # What the group has left is ended too; the group is gone where nothing has.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
