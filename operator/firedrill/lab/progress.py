"""Tells a person what the lab is doing, and keeps the seconds of each phase."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import Progress as RichProgress
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from firedrill.lab.model import Phase


class Progress:
    """Spinners with elapsed time on a terminal, plain lines elsewhere. Everything goes to stderr."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(file=stream or sys.stderr, highlight=False)
        self._live: RichProgress | None = None
        self.phases: list[Phase] = []

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Run a part of the work under a name; its seconds are recorded when it succeeds."""
        started = time.monotonic()
        task = self._start(name)
        try:
            yield
        except BaseException:
            self._stop(task, f"failed: {name} ({time.monotonic() - started:.1f} s)")
            raise
        seconds = time.monotonic() - started
        self.phases.append(Phase(name=name, seconds=round(seconds, 2)))
        self._stop(task, f"done: {name} ({seconds:.1f} s)")

    def _start(self, name: str) -> TaskID | None:
        if not self._console.is_terminal:
            self.say(f"{name} …")
            return None
        if self._live is None:
            self._live = RichProgress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._live.start()
        return self._live.add_task(name, total=None)

    def _stop(self, task: TaskID | None, line: str) -> None:
        if self._live is not None and task is not None:
            self._live.remove_task(task)
            if not self._live.task_ids:
                self._live.stop()
                self._live = None
        self.say(line)
