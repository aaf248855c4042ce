"""``firedrill toolkit``: Chaos Toolkit in a process of its own, started by a runner or a guardian.

The request is a file of the folder, the answer another; nothing is taken from the environment. The process ends with
the one that has started it, and at its time: the kernel sees to both.
"""

import argparse
import ctypes
import json
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from firedrill.runner.toolkit.system import ANSWER, REQUEST

Object = dict[str, Any]
_PARENT_DEATH_SIGNAL: Final = 1


def main(argv: Sequence[str]) -> int:
    """Entry point of ``firedrill toolkit``: 0 where there is an answer."""
    parser = argparse.ArgumentParser(prog="firedrill toolkit", description="Chaos Toolkit, as a runner calls it.")
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--folder", type=Path, required=True, help="where the request is, and the answer goes")
    parser.add_argument("--ends-in", type=int, required=True, help="seconds after which the kernel ends the process")
    options = parser.parse_args(argv)
    _end_with_parent()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(options.ends_in)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    request = json.loads((options.folder / REQUEST).read_bytes())
    COMMANDS[options.command](request, options.folder)
    return 0


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))


def _prepare(request: Object, folder: Path) -> None:
    from firedrill.runner.toolkit.preparing import prepare

    _write(folder, prepare(request))


def _run(request: Object, folder: Path) -> None:
    from firedrill.runner.toolkit.running import run

    run(request, folder)


def _roll_back(request: Object, folder: Path) -> None:
    from firedrill.runner.toolkit.rolling import roll_back

    _write(folder, roll_back(request, lambda answer: _write(folder, answer)))


def _write(folder: Path, answer: Object) -> None:
    part = folder / f"{ANSWER}.part"
    part.write_text(json.dumps(answer))
    part.replace(folder / ANSWER)


COMMANDS: Final[Mapping[str, Callable[[Object, Path], None]]] = {
    "prepare": _prepare,
    "run": _run,
    "rollback": _roll_back,
}
