"""What experiments of the tests call: it leaves its traces in a file."""

import json
import time
from pathlib import Path


def note(path: str, line: str, fail: bool = False) -> str:
    """Write a line; with ``fail``, only complain."""
    if fail:
        raise ValueError(f"can not note {line}")
    with Path(path).open("a") as file:
        file.write(f"{line}\n")
    return line


def hang(path: str, line: str) -> None:
    """Write a line, and swallow what would end it, as actions in the field do."""
    note(path, line)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            time.sleep(1)
        except Exception:  # noqa: BLE001 - that it swallows everything is what is tested
            note(path, "swallowed")


def never_ends(path: str) -> None:
    """Not even by what nothing swallows."""
    note(path, "stuck")
    while True:
        try:
            time.sleep(1)
        except BaseException:  # noqa: BLE001 - likewise
            note(path, "swallowed")


def lines(path: str) -> int:
    """How many lines there are."""
    return len(Path(path).read_text().splitlines()) if Path(path).exists() else 0


def note_and_count(path: str) -> int:
    """How many lines there are, with the one that tells of this question."""
    note(path, "asked")
    return lines(path)


def placed(ns: str = "default") -> str:
    """Acts in a namespace."""
    return json.dumps(ns)
