"""A look at a fault before it is ended: whether it is still on everywhere."""

import logging
from collections.abc import Sequence

from firedrill.api.changes import Change
from firedrill.clusters import paths
from firedrill.clusters.errors import ClusterError, NotFound
from firedrill.engines.chaos.views import parse_pod
from firedrill.runner.context import RunContext
from firedrill.runner.evidence import Evidence
from firedrill.runner.faults.driver import Fault
from firedrill.runner.following import Following
from firedrill.runner.planned import Part

log = logging.getLogger(__name__)


async def ended_early(
    context: RunContext, evidence: Evidence, part: Part, changes: Sequence[Change], following: Following | None
) -> list[str]:
    """The targets where a fault is not on any more, as far as that can be seen; what suffers by it is noted.

    A pod that has gone, and that the fault has followed from, is none of them; one that it could not be brought to is.
    """
    own: list[tuple[Fault, Change]] = [(part.fault, change) for change in changes]
    missed = following.missed if following else []
    if following:
        faults = {each.key: each.fault for each in following.parts}
        own += [(faults[change.step], change) for change in following.changes]
    ended: list[str] = []
    gone: list[str] = []
    try:
        for fault, change in own:
            look = await fault.look(change)
            if look.effect:
                evidence.note(f"{change.name}: {look.effect}")
            if look.reverted:
                there = following is None or await _is_there(context, change.namespace, change.name, change.uid)
                (ended if there else gone).append(change.key)
        ended += [pod.key for pod in missed if await _is_there(context, pod.namespace, pod.name, pod.uid)]
    except ClusterError as error:
        # Ending the fault must not wait for this; what the probe and the kernel saw counts all the same.
        log.warning("whether somebody else ended the fault is not known: %s", error)
        evidence.note(f"whether somebody else ended the fault is not known: {error}")
    replaced = len(following.changes) if following else 0
    return [*ended, *gone] if len(gone) > replaced else ended


async def _is_there(context: RunContext, namespace: str, name: str, uid: str) -> bool:
    """Whether a pod is there, and not on its way out."""
    try:
        pod = parse_pod(await context.client.get(paths.pods(namespace, name)))
    except NotFound:
        return False
    return pod.uid == uid and not pod.deleting
