"""Commands that live elsewhere and parse their own arguments. Each is imported when it is called, and not before:
a container that drops packets should not wait for libraries that compare tables."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from firedrill.cli.errors import EXIT_INVALID

_ARGPARSE_ERROR: Final = 2


@dataclass(frozen=True)
class Mounted:
    """A module with ``main(argv) -> exit code``, and what its command does."""

    module: str
    help: str

    def run(self, argv: list[str]) -> int:
        """Hand the arguments over; returns the exit code."""
        main: Callable[[list[str]], int] = import_module(self.module).main
        try:
            return main(argv)
        except SystemExit as error:
            # argparse ends with 2 for wrong arguments, and 2 is Inconclusive.
            if error.code == _ARGPARSE_ERROR:
                return EXIT_INVALID
            raise


MOUNTED: Final = {
    "lab": Mounted("firedrill.lab.cli", "local clusters to try Firedrill in"),
    "target": Mounted("firedrill.cli.target", "tell a hub of a target"),
    "operator": Mounted("firedrill.handlers.main", "the operator; started by the chart"),
    "webhook": Mounted("firedrill.handlers.admission.main", "admission on the hub; started by the chart"),
    "drain": Mounted("firedrill.handlers.drain", "halts a hub until nothing needs the operator; started by the chart"),
    "runner": Mounted("firedrill.runner.main", "one run in a target; started by the operator"),
    "guardian": Mounted("firedrill.runner.guardian", "undoes what a run leaves behind; started by the operator"),
    "conductor": Mounted("firedrill.runner.simulating.conductor", "watches over a simulation; started by a runner"),
    "netfault": Mounted("firedrill.runner.netfault", "a fault in the network of a pod; started by a runner"),
    "toolkit": Mounted("firedrill.runner.toolkit.child", "an experiment of Chaos Toolkit; started by a runner"),
    "surge": Mounted("firedrill.runner.surge.child", "a surge of read requests; started by a runner"),
    "isolate": Mounted("firedrill.runner.fixing.isolate", "cuts a sandbox off; started by a runner"),
}
