"""The entry point: arguments in, exit code out."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, NoReturn

from firedrill import __version__
from firedrill.cli.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_INVALID, UsageError
from firedrill.cli.mounted import MOUNTED

DESCRIPTION: Final = (
    "Practises failure before it happens: checks models, data and systems, and says with evidence what holds."
)
EPILOG: Final = "exit codes: 0 Passed, 1 Failed, 2 Inconclusive, 3 Error, 64 invalid input"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints end with 64, which no verdict has."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how to learn more."""
        self.exit(EXIT_INVALID, f"{self.prog}: {message}\n{self.prog} --help shows what it takes\n")


#: Modules that add commands, in the order that help shows them, and the commands of each.
_MODULES: Final = {
    "firedrill.cli.run": ("run",),
    "firedrill.cli.report": ("report", "rerun"),
    "firedrill.cli.drift": ("drift",),
    "firedrill.cli.profile": ("profile",),
    "firedrill.cli.validate": ("validate",),
    "firedrill.cli.telemetry": ("telemetry",),
}


def build_parser(command: str = "") -> argparse.ArgumentParser:
    """The parser of all commands; where ``command`` is one of them, of those of its module alone.

    What the others bring along takes longer to import than two tables take to compare.
    """
    parser = Parser(prog="firedrill", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"firedrill {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    asked = [module for module, names in _MODULES.items() if command in names]
    for module in asked or _MODULES:
        import_module(module).add(commands)
    for name, mounted in MOUNTED.items():
        commands.add_parser(name, help=mounted.help, add_help=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code and never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in MOUNTED:
        return _guarded(lambda: MOUNTED[arguments[0]].run(arguments[1:]))
    return _guarded(lambda: _parse_and_run(arguments))


def _parse_and_run(arguments: list[str]) -> int:
    args = build_parser(arguments[0] if arguments else "").parse_args(arguments)
    code: int = args.handler(args)
    return code


def _guarded(command: Callable[[], int]) -> int:
    """Whatever happens has an exit code that can not be taken for a verdict that it is not."""
    try:
        return command()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0 if error.code is None else EXIT_ERROR
    except UsageError as error:
        for line in str(error).splitlines():
            print(f"firedrill: {line}", file=sys.stderr)
        return EXIT_INVALID
    except BrokenPipeError:
        # The reader has gone. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 - a bug must end as Error (3): Python's own exit code 1 would say Failed
        traceback.print_exc()
        return EXIT_ERROR


if __name__ == "__main__":
    sys.exit(main())
