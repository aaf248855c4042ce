"""``firedrill telemetry export``: telemetry of a window of a simulation as Parquet, its ground truth apart."""

import argparse
import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from firedrill.api.base import parse_duration
from firedrill.api.errors import InvalidInput
from firedrill.cli.errors import EXIT_ERROR, UsageError
from firedrill.cli.exporting.export import Order, Rows, export, export_truth
from firedrill.cli.exporting.reading import Telemetry, experiments
from firedrill.cli.exporting.writing import Place, nested
from firedrill.cli.main import Parser
from firedrill.cli.output import tell
from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.engines.telemetry.tables import InvalidRecord
from firedrill.engines.telemetry.truth import Window

#: An answer of Prometheus may take long on a node that is under a fault.
_TIMEOUT: Final = 120.0
_LONGEST: Final = timedelta(days=31)
_NAMESPACE: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


class _Parser(Parser):
    """Takes a time such as -30m for a value, where argparse would take it for an option."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, with each time joined to its option."""
        return super().parse_known_args(_joined(args), namespace)


def _joined(args: Sequence[str] | None) -> list[str] | None:
    if args is None:
        return None
    joined: list[str] = []
    for arg in args:
        if joined and joined[-1] in ("--from", "--to") and re.match(r"-\d", arg):
            joined[-1] += f"={arg}"
        else:
            joined.append(arg)
    return joined


def add(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command to the parser."""
    telemetry = commands.add_parser("telemetry", help="hand out what is kept of a simulation")
    actions = telemetry.add_subparsers(
        title="actions", metavar="ACTION", required=True, dest="action", parser_class=_Parser
    )
    made = actions.add_parser("export", help="write a window as Parquet: metrics, logs, events, changes, pods, edges")
    made.add_argument("--context", help="context of the target in the kubeconfig; else the current one")
    made.add_argument("--namespace", "-n", required=True, help="namespace of the simulation")
    made.add_argument("--from", dest="start", required=True, metavar="TIME", help="RFC 3339, or back from now: -30m")
    made.add_argument("--to", dest="end", default="now", metavar="TIME", help="RFC 3339, -5m or now (default: now)")
    made.add_argument("--output", required=True, metavar="PLACE", help="new directory, or s3://bucket/prefix")
    made.add_argument("--truth", metavar="PLACE", help="write the ground truth there; else it is not written")
    made.add_argument("--step", default="15s", help="time between samples of metrics (default: 15s)")
    made.add_argument("--hub-context", metavar="CTX", help="hub whose experiments belong to the ground truth")
    made.set_defaults(handler=_export)


def _export(args: argparse.Namespace) -> int:
    order = _order(args)
    if args.hub_context and not args.truth:
        raise UsageError("--hub-context: experiments are ground truth; say with --truth where it goes")
    if args.truth and nested(args.output, args.truth):
        raise UsageError("--truth: must lie apart from --output, or whoever reads the one finds the other")
    try:
        rows = asyncio.run(_run(args, order))
    except NotFound as error:
        raise UsageError(f"--namespace {args.namespace}: no simulation is there: {error.message}") from error
    except (ClusterError, InvalidRecord, OSError, pa.ArrowException) as error:
        tell(f"firedrill telemetry: {error}")
        return EXIT_ERROR
    for name, count in rows.items():
        tell(f"{name}: {count} rows")
    return 0


def _order(args: argparse.Namespace) -> Order:
    """What is asked for. Raises UsageError that names the flag."""
    now = datetime.now(UTC)
    window = Window(_moment("--from", args.start, now), _moment("--to", args.end, now))
    if window.start >= window.end:
        raise UsageError(f"--from {args.start}: must be before --to {args.end}")
    if window.end - window.start > _LONGEST:
        raise UsageError(f"--from {args.start}: the window may be at most {_LONGEST.days} days long")
    if not re.fullmatch(_NAMESPACE, args.namespace):
        raise UsageError(f"--namespace {args.namespace}: is not the name of a namespace")
    step = _seconds("--step", args.step)
    if step < 1:
        raise UsageError(f"--step {args.step}: must be at least 1s")
    return Order(args.namespace, window, step)


def _moment(flag: str, text: str, now: datetime) -> datetime:
    if text == "now":
        return now
    if text.startswith("-"):
        return now - timedelta(seconds=_seconds(flag, text[1:]))
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: write it like 2026-01-01T00:00:00Z, -30m or now") from error
    if at.tzinfo is None:
        raise UsageError(f"{flag} {text}: says no time zone; write it like 2026-01-01T00:00:00Z")
    return at.astimezone(UTC)


def _seconds(flag: str, text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error


async def _run(args: argparse.Namespace, order: Order) -> Rows:
    target = await _client("--context", args.context, "target")
    hub = await _client("--hub-context", args.hub_context, "hub") if args.hub_context else None
    try:
        source = Telemetry(target, order.namespace)
        # Before any file is made: a cluster that does not answer leaves no half export behind.
        await source.metric_names(order.window.start, order.window.end)
        resources = await experiments(hub) if hub else None
        place = Place("--output", args.output)
        truth = Place("--truth", args.truth) if args.truth else None
        rows = await export(source, order, place)
        if truth:
            await export_truth(source, order, truth, resources)
        return rows
    finally:
        for client in (target, hub):
            if client:
                await client.close()


async def _client(flag: str, context: str | None, name: str) -> KubeClient:
    try:
        return KubeClient(await api_from_environment(context), name, timeout=_TIMEOUT)
    except InvalidInput as error:
        raise UsageError(f"{flag}: {error}") from error
