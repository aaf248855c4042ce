"""Runs host commands: argument lists, output to a log file or back to the caller."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from firedrill.lab.errors import LabError

LAST_LINES = 15


def find(tool: str) -> str | None:
    """The path of a host tool; the sbin folders count, as they are not on everybody's PATH."""
    return shutil.which(tool, path=search_path())


def search_path() -> str:
    """PATH with the sbin folders."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def output(argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
    """Run a short command and give its standard output.

    Raises LabError with what the command said when it fails, is missing or takes too long.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=os.environ | {"PATH": search_path(), "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(argv)}` has not ended after {timeout:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"`{' '.join(argv)}` failed ({done.returncode}): {said}")
    return done.stdout


def logged(
    argv: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    hint: str = "",
) -> None:
    """Run a long command with its output in a log file.

    Raises LabError that names the log file and shows its last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        try:
            done = subprocess.run(
                list(argv),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PATH": search_path()} | dict(env or {}),
                check=False,
            )
        except FileNotFoundError as error:
            raise LabError(f"{argv[0]} is not installed. {hint}".strip()) from error
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        raise LabError(
            "\n".join([f"{Path(argv[0]).name} failed ({done.returncode}), see {log}:", *lines, hint]).strip()
        )
