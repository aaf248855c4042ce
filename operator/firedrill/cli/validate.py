"""``firedrill validate``: are the documents right, as far as can be said without a cluster?"""

import argparse

from firedrill.cli.documents import load
from firedrill.cli.errors import EXIT_INVALID
from firedrill.cli.output import tell


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "validate",
        help="check YAML files against the kinds of Firedrill, with no cluster",
        description="Checks every document of YAML files and names each wrong field. Needs no cluster.",
        epilog="exit codes: 0 all are right, 64 one is not",
    )
    parser.add_argument(
        "-f",
        "--file",
        action="append",
        required=True,
        metavar="FILE",
        help="YAML file, - for standard input; may be repeated",
    )
    parser.add_argument("--offline", action="store_true", help="as for run --offline: spec.clusters may be left out")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    documents = load(args.file, args.offline)
    for item in documents.items:
        print(f"{'standard input' if item.path == '-' else item.path}: {item.title}: valid")
    for problem in documents.problems:
        tell(f"firedrill: {problem}")
    return EXIT_INVALID if documents.problems else 0
