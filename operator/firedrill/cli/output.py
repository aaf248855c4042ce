"""Where results go: standard output holds the result alone, everything else goes to standard error."""

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console

from firedrill.cli.errors import EXIT_OF, UsageError
from firedrill.report.entry import Entry, overall
from firedrill.report.json import render_json
from firedrill.report.table import print_table

FORMATS: Final = ("table", "json", "junit", "html")
#: Width of a table that goes to a file.
_FILE_WIDTH: Final = 160


def add_output(parser: argparse.ArgumentParser) -> None:
    """The arguments that say in which form the result is written, and where."""
    parser.add_argument("-o", "--output", choices=FORMATS, default="table", help="form of the result (default: table)")
    parser.add_argument(
        "--output-file", metavar="PATH", help="write the result to this file instead of standard output"
    )


def tell(message: str) -> None:
    """A line for the person who waits."""
    print(message, file=sys.stderr, flush=True)


def emit(entries: Sequence[Entry], output: str, path: str | None, json_text: str | None = None) -> int:
    """Write results in the form asked for; returns the exit code of their overall verdict.

    ``json_text`` replaces the usual JSON document. Raises UsageError when the file can not be written.
    """
    renderers: dict[str, Callable[[], str]] = {
        "json": lambda: json_text if json_text is not None else render_json(entries),
        "junit": lambda: _junit(entries),
        "html": lambda: _html(entries),
    }
    if path is None:
        if output == "table":
            print_table(entries, _console())
        else:
            sys.stdout.write(renderers[output]())
        sys.stdout.flush()
    else:
        try:
            with Path(path).open("w", encoding="utf-8") as stream:
                _write(stream, entries, output, renderers)
        except OSError as error:
            raise UsageError(f"{path}: can not be written: {error.strerror or error}") from error
        tell(f"{overall(entries).value}; the result is in {path}")
    return EXIT_OF[overall(entries)]


def _junit(entries: Sequence[Entry]) -> str:
    from firedrill.report.junit import render_junit

    return render_junit(entries)


def _html(entries: Sequence[Entry]) -> str:
    from firedrill.report.html import render_html

    return render_html(entries, datetime.now(UTC))


def _console() -> Console:
    """Of the width of the terminal; a pipe has none, and gets more than the usual 80 columns."""
    return Console() if sys.stdout.isatty() else Console(width=_FILE_WIDTH)


def _write(stream: TextIO, entries: Sequence[Entry], output: str, renderers: dict[str, Callable[[], str]]) -> None:
    if output == "table":
        print_table(entries, Console(file=stream, width=_FILE_WIDTH, color_system=None))
    else:
        stream.write(renderers[output]())
