"""The operator as a process of its own: started, killed, frozen and asked for its health, as a kubelet would."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from support.eventually import PATIENCE, eventually

#: Python starts with the operator's modules loaded already: a life in these tests is short, and there are many.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["firedrill.handlers.main"])
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Settings:
    """What the operator gets by its environment."""

    kubeconfig: Path
    namespace: str
    log: Path
    identity: str = "operator-0"
    extra: Mapping[str, str] = field(default_factory=dict)

    def environment(self, port: int) -> dict[str, str]:
        """The variables."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "POD_NAMESPACE": self.namespace,
            "POD_NAME": self.identity,
            "FIREDRILL_RUNNER_IMAGE": "registry.example/firedrill/runner:test",
            "FIREDRILL_PORT": str(port),
            **self.extra,
        }


def _main(environment: dict[str, str], log: str) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    for name in [name for name in os.environ if name.startswith("KUBERNETES_SERVICE")]:
        del os.environ[name]
    os.environ.update(environment)
    from firedrill.handlers.main import main

    sys.exit(main([]))


class OperatorProcess:
    """One operator at a time; it can be started again after its end, as the container of the same pod."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = _free_port()
        self._process: multiprocessing.context.ForkServerProcess | None = None

    def start(self) -> "OperatorProcess":
        """Start; it does not wait for the lease."""
        assert not self.alive, "it runs already"
        arguments = (self.settings.environment(self.port), str(self.settings.log))
        self._process = _CONTEXT.Process(target=_main, args=arguments, daemon=True)
        self._process.start()
        return self

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.exitcode

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up. It has ended when this returns."""
        process = self._process
        if process is not None:
            process.kill()
            process.join(PATIENCE)

    def wait(self, within: float = 30) -> int:
        """Wait for its end; its exit code."""
        assert self._process is not None
        self._process.join(within)
        assert not self._process.is_alive(), f"the operator still runs after {within:g} s"
        assert self._process.exitcode is not None
        return self._process.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        assert self._process is not None
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not hear it."""
        if self._process is None or not self._process.is_alive():
            return
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
        self._process.terminate()
        self._process.join(15)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5)

    def ready(self) -> str:
        """What /readyz says: ok, or why not; empty without an answer."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=3, trust_env=False).text.strip()
        except httpx.HTTPError:
            return ""

    def wait_ready(self, within: float = PATIENCE) -> "OperatorProcess":
        """Wait until it leads and says that it is ready."""
        eventually(
            lambda: self.ready() == "ok" or not self.alive, "the operator is ready", within=within, also=self.tail
        )
        assert self.alive, f"the operator ended with {self.exit_code}\n{self.tail()}"
        return self

    def metrics(self) -> dict[str, float]:
        """All samples, by name and labels as they are written."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5, trust_env=False).text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def tail(self, lines: int = 25) -> str:
        """The end of its log."""
        try:
            return "\n".join(self.settings.log.read_text().splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(moment: float) -> None:
    """Sleep until a time of the monotonic clock."""
    time.sleep(max(0.0, moment - time.monotonic()))
