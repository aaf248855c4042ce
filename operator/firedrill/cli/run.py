"""``firedrill run``: run documents and tell what came of it."""

import argparse

from firedrill.cli.cluster_run import run_in_cluster
from firedrill.cli.documents import load
from firedrill.cli.errors import UsageError
from firedrill.cli.offline import run_offline
from firedrill.cli.output import add_output, emit

DESCRIPTION = """\
Runs the resources of YAML files and writes their results. With --offline DataPipelineTest, DriftCheck, ModelValidation
and PerformanceBenchmark (as one worker) run in this process, with no cluster: spec.clusters may be left out, local
files may be sources (paths are relative to the YAML file), and ConfigMaps and Secrets are read from the same files."""
EPILOG = """\
exit codes: 0 all Passed, 1 one Failed, 2 one Inconclusive, 3 one Error (Failed counts first, then Error),
64 invalid input"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "run",
        help="run resources from YAML files",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-f",
        "--file",
        action="append",
        required=True,
        metavar="FILE",
        help="YAML file, - for standard input; may be repeated",
    )
    parser.add_argument("--offline", action="store_true", help="run in this process, with no cluster")
    parser.add_argument("--context", help="context of the hub; else the current one")
    parser.add_argument("-n", "--namespace", default="default", help="namespace of documents that name none")
    parser.add_argument("--wait", type=float, default=3600, metavar="SECONDS", help="longest wait for a verdict")
    add_output(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code. Raises UsageError for invalid input, before anything is run."""
    documents = load(args.file, args.offline)
    if not documents.problems and not documents.items:
        raise UsageError(f"{', '.join(args.file)}: no resource of Firedrill in it")
    if documents.problems:
        raise UsageError("\n".join(documents.problems))
    entries = run_offline(documents) if args.offline else run_in_cluster(documents.items, args)
    return emit(entries, args.output, args.output_file)
