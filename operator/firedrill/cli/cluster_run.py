"""Documents run by the operator, in the cluster of a kube context."""

import argparse
import asyncio
from collections.abc import Sequence

from firedrill.cli.documents import Document
from firedrill.cli.errors import UsageError
from firedrill.cli.output import tell
from firedrill.cli.resources import apply_and_wait, entries_of, hub_client, kind_named
from firedrill.clusters.client import KubeClient, Object
from firedrill.clusters.errors import ClusterError, Forbidden, Invalid, NotFound
from firedrill.report.entry import Entry


def run_in_cluster(documents: Sequence[Document], args: argparse.Namespace) -> list[Entry]:
    """Apply each document, wait until its run is complete, and read the verdicts that were written back.

    A document that is there already is run anew. Raises UsageError where the cluster refuses a document.
    """
    for document in documents:
        kind_named(document.kind.name)
    return asyncio.run(_run(documents, args))


async def _run(documents: Sequence[Document], args: argparse.Namespace) -> list[Entry]:
    hub = await hub_client(args.context)
    try:
        bodies = await asyncio.gather(*(_one(hub, document, args) for document in documents))
        return [entry for body in bodies for entry in await entries_of(body)]
    finally:
        await hub.close()


async def _one(hub: KubeClient, document: Document, args: argparse.Namespace) -> Object:
    tell(f"{document.title}: applied; waiting for its verdict")
    try:
        return await apply_and_wait(hub, document, args.namespace, args.wait)
    except (Invalid, Forbidden, NotFound) as error:
        raise UsageError(f"{document.title}: the cluster refuses it: {error}") from error
    except ClusterError as error:
        raise SystemExit(_told(document, error)) from error


def _told(document: Document, error: ClusterError) -> int:
    tell(f"{document.title}: {error}")
    return 3
