"""Resources of a cluster for the command line: how they are named, applied, waited for and shown."""

import argparse
import asyncio
import time
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from firedrill.api.errors import InvalidInput
from firedrill.api.kinds import RUN_KINDS, RunKind
from firedrill.api.meta import ANNOTATION_RUN_AT, RESULT_KEY
from firedrill.api.run import ClusterResult, OnCreate, RunStatus
from firedrill.api.task import Result
from firedrill.api.verdict import ConditionStatus, Finding, Verdict
from firedrill.cli.documents import Document, load
from firedrill.cli.errors import UsageError
from firedrill.cli.output import tell
from firedrill.clusters import paths
from firedrill.clusters.client import APPLY_PATCH, KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.clusters.errors import ClusterError
from firedrill.report.entry import Entry

Object = dict[str, Any]

_POLL = 1.0


def kind_named(text: str) -> RunKind:
    """A kind by name, plural or short name; raises UsageError that lists them."""
    wanted = text.lower()
    for kind in RUN_KINDS.values():
        if wanted in (kind.name.lower(), kind.plural, *kind.short_names):
            return kind
    known = ", ".join(f"{kind.name} ({kind.short_names[0]})" for kind in RUN_KINDS.values())
    raise UsageError(f"{text!r} is not a kind that is run; these are: {known}")


def reference_path(kind: RunKind, namespace: str, name: str) -> str:
    """Path of a resource on the hub."""
    return paths.firedrill(kind.plural, namespace, name)


async def apply_and_wait(hub: KubeClient, document: Document, namespace: str, timeout: float) -> Object:
    """Apply a resource, ask for a run, and wait until that run is complete; what it waits for is told meanwhile.

    Raises ClusterError where the cluster refuses it, does not answer, or the run takes too long, and UsageError
    where it is suspended.
    """
    kind, doc = kind_named(document.kind.name), dict(document.raw)
    meta = doc["metadata"]
    where = reference_path(kind, meta.get("namespace") or namespace, meta["name"])
    before = await _get(hub, where)
    if before is not None:
        doc = {**doc, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **_run_now()}}}
    body = await hub.patch(where, doc, content_type=APPLY_PATCH)
    if body["spec"].get("suspend"):
        raise UsageError(f"{document.title}: spec.suspend is set: no run is started")
    asked = body["spec"]
    waits = before is None and (
        asked.get("schedule") or asked.get("onRollout") or asked.get("onCreate") == OnCreate.HOLD
    )
    last = ((before or {}).get("status", {}).get("lastRun") or {}).get("id")
    told, end = "", time.monotonic() + timeout
    while time.monotonic() < end:
        body = await hub.get(where)
        status = body.get("status", {})
        run = status.get("lastRun") or {}
        if is_refused(body) or (run.get("finishedAt") and run.get("id") != last):
            return body
        if waits and status.get("handledSpec"):
            # Asked for with the creation, it would be no news.
            await hub.patch(where, {"metadata": {"annotations": _run_now()}})
            waits = False
        if status.get("message", "") not in ("", told) and _now_about(body):
            told = status["message"]
            tell(f"{document.title}: {told}")
        await asyncio.sleep(_POLL)
    raise ClusterError(f"it was not complete after {timeout:.0f} s{': ' + told if told else ''}")


def is_refused(body: Object) -> bool:
    """Whether the operator says of the present spec that it is wrong."""
    return _now_about(body) and _reason(body, "Complete") == "InvalidSpec"


def _now_about(body: Object) -> bool:
    return bool(body.get("status", {}).get("observedGeneration") == body["metadata"].get("generation"))


def _run_now() -> dict[str, str]:
    return {ANNOTATION_RUN_AT: str(time.time_ns())}


async def _get(hub: KubeClient, where: str) -> Object | None:
    try:
        return await hub.get(where)
    except ClusterError as error:
        if getattr(error, "status", 0) == 404:
            return None
        raise


def _reason(body: Object, condition: str) -> str:
    for item in body.get("status", {}).get("conditions") or []:
        if item.get("type") == condition:
            return str(item.get("reason", ""))
    return ""


async def entries_of(body: Object, targets: Mapping[str, KubeClient] = {}) -> list[Entry]:
    """The last run of a resource, an entry each target.

    With a client of a target the entry holds the full report, else what status has of it.
    """
    status = RunStatus.model_validate(body.get("status") or {})
    meta = body["metadata"]
    run = status.last_run
    if is_refused(body):
        return [_whole(body, status.model_copy(update={"last_run": None}))]
    if run is None or run.finished_at is None:
        if not status.verdict:
            raise UsageError(f"{body['kind']} {meta['name']} has no ended run yet")
        return [_whole(body, status)]
    found = []
    for cluster in status.clusters:
        result = await _full_result(cluster, targets.get(cluster.name)) or _from_status(body, status, cluster)
        found.append(Entry(body["kind"], meta.get("namespace", ""), meta["name"], result, tuple(status.history)))
    return found or [_whole(body, status)]


async def _full_result(cluster: ClusterResult, client: KubeClient | None) -> Result | None:
    if client is None or not cluster.job:
        return None
    namespace, _, job = cluster.job.partition("/")
    body = await _get(client, paths.configmaps(namespace, f"{job}-result"))
    if body is None:
        return None
    try:
        return Result.model_validate_json(body["data"][RESULT_KEY])
    except (KeyError, ValidationError) as error:
        raise ClusterError(f"the result of {cluster.job} in {cluster.name} can not be read: {error}") from error


def _from_status(body: Object, status: RunStatus, cluster: ClusterResult) -> Result:
    run = status.last_run
    assert run is not None
    assert run.finished_at is not None
    return Result(
        uid=body["metadata"]["uid"],
        run_id=run.id,
        cluster=cluster.name,
        verdict=cluster.verdict or Verdict.INCONCLUSIVE,
        reason=cluster.reason,
        message=cluster.message,
        measurements=cluster.measurements,
        started_at=run.started_at,
        finished_at=run.finished_at,
        findings=[Finding(type=c.type, status=c.status, reason=c.reason, message=c.message) for c in cluster.findings],
        shortened=cluster.omitted > 0,
    )


def _whole(body: Object, status: RunStatus) -> Entry:
    """A resource whose run had no target, or that was refused."""
    created = body["metadata"]["creationTimestamp"]
    complete = next((c for c in status.conditions if c.type == "Complete"), None)
    run = status.last_run
    started = run.started_at if run else (complete.last_transition_time if complete else None) or created
    result = Result(
        uid=body["metadata"]["uid"],
        run_id=run.id if run else "",
        cluster="",
        verdict=status.verdict or Verdict.ERROR,
        reason=complete.reason if complete else "Unknown",
        message=status.message,
        started_at=started,
        finished_at=(run.finished_at if run else None) or started,
        findings=[
            Finding(type=c.type, status=ConditionStatus(c.status), reason=c.reason, message=c.message)
            for c in status.conditions
        ],
    )
    return Entry(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"], result)


def add_reference(parser: argparse.ArgumentParser) -> None:
    """The arguments that name resources."""
    parser.add_argument("reference", nargs="?", metavar="KIND/NAME", help="such as dc/payments")
    parser.add_argument("-f", "--file", metavar="FILE", help="YAML file that names the resources instead")
    parser.add_argument("-n", "--namespace", default="default", help="namespace of the resource")
    parser.add_argument("--context", help="context of the hub; else the current one")


def referenced(args: argparse.Namespace) -> list[str]:
    """Paths of the resources that the arguments name; raises UsageError for none or for wrong ones."""
    if bool(args.reference) == bool(args.file):
        raise UsageError("name a resource as KIND/NAME, or a file with -f")
    if args.file:
        return [
            reference_path(kind_named(document.kind.name), document.namespace or args.namespace, document.name)
            for document in run_documents(args.file)
        ]
    kind, slash, name = args.reference.partition("/")
    if not slash or not name:
        raise UsageError(f"{args.reference!r}: write it as KIND/NAME, such as dc/payments")
    return [reference_path(kind_named(kind), args.namespace, name)]


def run_documents(path: str) -> list[Document]:
    """The resources of a file whose kind is run; raises UsageError for any that is wrong."""
    found = load([path], offline=False)
    if found.problems:
        raise UsageError("\n".join(found.problems))
    for document in found.items:
        kind_named(document.kind.name)
    return list(found.items)


async def hub_client(context: str | None) -> KubeClient:
    """A client of the cluster of a context; raises UsageError where there is none."""
    try:
        return KubeClient(await api_from_environment(context), "hub")
    except InvalidInput as error:
        raise UsageError(str(error)) from error
