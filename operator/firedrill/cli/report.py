"""``firedrill report`` and ``firedrill rerun``: what the last run found, and asking for another."""

import argparse
import asyncio
import time
from collections.abc import Mapping

from firedrill.api.meta import ANNOTATION_RUN_AT
from firedrill.cli.errors import EXIT_ERROR, UsageError
from firedrill.cli.output import add_output, emit, tell
from firedrill.cli.resources import add_reference, entries_of, hub_client, referenced
from firedrill.clusters.client import KubeClient
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.report.entry import Entry


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands to the parser."""
    report = commands.add_parser("report", help="show what the last run of a resource found")
    add_reference(report)
    report.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME=CONTEXT",
        help="kube context of a target: the full report is read there; else what status holds of it is shown",
    )
    add_output(report)
    report.set_defaults(handler=_report)
    rerun = commands.add_parser("rerun", help="ask for a run without changing the spec")
    add_reference(rerun)
    rerun.set_defaults(handler=_rerun)


def _report(args: argparse.Namespace) -> int:
    contexts = {}
    for pair in args.target:
        name, equals, context = pair.partition("=")
        if not (name and equals and context):
            raise UsageError(f"--target {pair}: write it like finance=my-context")
        contexts[name] = context
    try:
        entries = asyncio.run(_entries(args, contexts))
    except NotFound as error:
        raise UsageError(error.message) from error
    except ClusterError as error:
        tell(f"firedrill report: {error}")
        return EXIT_ERROR
    emit(entries, args.output, args.output_file)
    # The verdict is in the report; this command has done its own work.
    return 0


async def _entries(args: argparse.Namespace, contexts: Mapping[str, str]) -> list[Entry]:
    hub = await hub_client(args.context)
    targets: dict[str, KubeClient] = {}
    try:
        for name, context in contexts.items():
            targets[name] = await hub_client(context)
        return [entry for path in referenced(args) for entry in await entries_of(await hub.get(path), targets)]
    finally:
        for client in (hub, *targets.values()):
            await client.close()


def _rerun(args: argparse.Namespace) -> int:
    try:
        asyncio.run(_ask(args))
    except NotFound as error:
        raise UsageError(error.message) from error
    except ClusterError as error:
        tell(f"firedrill rerun: {error}")
        return EXIT_ERROR
    return 0


async def _ask(args: argparse.Namespace) -> None:
    hub = await hub_client(args.context)
    try:
        for path in referenced(args):
            asked = {"metadata": {"annotations": {ANNOTATION_RUN_AT: str(time.time_ns())}}}
            body = await hub.patch(path, asked)
            tell(f"{body['kind']} {body['metadata']['name']}: a run was asked for")
    finally:
        await hub.close()
