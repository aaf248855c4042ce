"""Undoing what containers have brought into a pod, by anyone at any time: a decision, then one step.

The hard case is a run that died between asking for the injecting container and writing that down. Its request may
still be on the way, or the kubelet may start the container any time later. Two things make that harmless: the
container refuses to inject after ``not_after``, and where it is not there yet, its name is taken by a container
that undoes, so that it can never be added.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from firedrill.api.base import format_time
from firedrill.api.changes import ChangeState, HeldInPod, InPod
from firedrill.clusters.access import Access
from firedrill.runner.faults import ephemeral, holders
from firedrill.runner.faults.ephemeral import ContainerView, HostPod
from firedrill.runner.nft_traffic import QUEUE
from firedrill.runner.ports import Object
from firedrill.runner.undoing import Seen, UndoContext

#: Clocks of nodes may differ by so much from ours.
CLOCK_SKEW: Final = timedelta(seconds=5)
#: A holder outlives its fault by no more.
_LINGER: Final = timedelta(seconds=3)
#: Where each type of change keeps what was hit.
_COUNTS: Final = {"PacketsDropped": "dropped_packets", "HeldInPod": "hits"}
#: Whom a container runs as that needs no right at all.
UNDOING_USER: Final = 65532
#: Undoing containers that may be tried in one pod; each leaves an entry that can not be removed.
MAX_TRIES: Final = 10


@dataclass(frozen=True)
class Done:
    """Nothing of the fault is left in the pod."""

    evidence: str
    hits: int | None = None


@dataclass(frozen=True)
class Start:
    """A container of this name is to undo the fault."""

    container: str
    why: str


@dataclass(frozen=True)
class Wait:
    """Something is on its way."""

    evidence: str


Step = Done | Start | Wait


def next_step(host: HostPod | None, change: InPod, now: datetime) -> Step:
    """What is to be done now; a function of what is seen alone, so that it does not matter who did what before."""
    if host is None or host.phase in ephemeral.ENDED:
        return _pod_gone(change, now)
    if host.deleting:
        return Wait("the pod is on its way out, and its network namespace with it")
    injecting = host.find(change.inject_container)
    late = now > change.not_after + CLOCK_SKEW
    if injecting is None:
        if late:
            return Done("nothing was injected, and the time in which it could be is over")
        return Start(change.inject_container, "taking the name of the injecting container, which was not there yet")
    if injecting.is_undo:
        return _undoing(host, change, [injecting])
    if injecting.exit_code is None and not (injecting.started and _stays(change)):
        # A node that is cut off does not tell that it has started it: only the kernel's limit is sure.
        if not injecting.started and now > _kernel_ends(change):
            return Done("the injecting container was not seen to start, and if it did, the fault has ended by itself")
        return Wait(f"the injecting container has not ended yet {injecting.waiting}".rstrip())
    holding = host.find(change.hold_container) if isinstance(change, HeldInPod) else None
    if holding is not None and holding.exit_code is None and not holding.started and not late:
        return Wait(f"the holding container may start yet {holding.waiting}".rstrip())
    return _undoing(host, change, [])


def _stays(change: InPod) -> bool:
    """Whether the injecting container itself stays while the fault is on."""
    return isinstance(change, HeldInPod) and change.inject_container == change.hold_container


def container_name(change: InPod, number: int) -> str:
    """Name of an undoing container; the first has number 1."""
    return change.undo_container if number == 1 else f"{change.undo_container}-{number}"


async def undo_in_pod(context: UndoContext, change: InPod) -> Seen:
    """Take one step and say what is seen."""
    host = await ephemeral.read_host(context.client, change.namespace, change.name, change.uid)
    step = next_step(host, change, context.clock.now())
    match step:
        case Done(evidence, hits):
            counted = {} if hits is None else {_COUNTS[change.type]: hits}  # type: ignore[attr-defined]
            update = {"state": ChangeState.UNDONE, "evidence": evidence, **counted}
            return Seen(change.model_copy(update=update), _residues(host, change))  # type: ignore[arg-type]
        case Start(name, why):
            spec = undoing_container(name, context.task.image, change)
            await ephemeral.add_container(context.client, change.namespace, change.name, change.uid, spec)
            return _waiting(change, f"container {name} was started: {why}")
        case Wait(evidence):
            return _waiting(change, evidence)


def undoing_container(name: str, image: str, change: InPod) -> Object:
    """What takes away whatever may be there."""
    match change:
        case HeldInPod() if not change.table:
            return ephemeral.podfault(name, image, holders.undo(change), user=UNDOING_USER)
        case HeldInPod():
            return ephemeral.container(name, image, ("undo", "--table", change.table, "--holder", change.holder))
    return ephemeral.container(name, image, ("undo", "--table", change.table))


def _waiting(change: InPod, evidence: str) -> Seen:
    return Seen(change.model_copy(update={"evidence": evidence}))  # type: ignore[arg-type]


def _ours(change: InPod) -> set[str]:
    """All that must not be listed any more."""
    tables = {change.table} if change.table else set()
    return tables | {QUEUE} | holders.ours(change) if isinstance(change, HeldInPod) else tables


def in_pod_needs(change: InPod) -> list[Access]:
    """What undoing takes."""
    return [
        Access("get", "pods", change.namespace),
        Access("patch", "pods", change.namespace, subresource="ephemeralcontainers"),
    ]


def _pod_gone(change: InPod, now: datetime) -> Step:
    # A pod that was deleted by force may run on, unseen, on a node that is cut off. The kernel ends the drop there.
    if now < _kernel_ends(change):
        return Wait(f"the pod is gone; the fault ends by itself at {format_time(_kernel_ends(change))} at the latest")
    return Done("the pod is gone, and its network namespace with it")


def _kernel_ends(change: InPod) -> datetime:
    """When the drop is over, whoever has seen it begin."""
    latest = change.not_after + CLOCK_SKEW + timedelta(seconds=change.seconds)
    latest += _LINGER if isinstance(change, HeldInPod) else timedelta()
    if change.expires_at is None:
        return latest
    return change.expires_at if change.applied_at else max(latest, change.expires_at)


def _undoing(host: HostPod, change: InPod, first: list[ContainerView]) -> Step:
    own = (host.find(container_name(change, number)) for number in range(1, MAX_TRIES + 1))
    tries = first + [container for container in own if container is not None]
    for container in tries:
        remaining = container.proof.get("remaining")
        if container.exit_code == 0 and isinstance(remaining, list) and not _ours(change) & set(remaining):
            return _gone(change, container.proof, remaining)
    running = [container for container in tries if container.exit_code is None]
    if running:
        return Wait(f"container {running[0].name} has not ended yet {running[0].waiting}".rstrip())
    number = len(tries) - len(first) + 1
    if number > MAX_TRIES:
        return Wait(
            f"{MAX_TRIES} containers failed to undo the fault, the last with {tries[-1].message[:200]!r}; a person "
            f"must delete pod {change.key}"
        )
    why = f"the last one failed with {tries[-1].message[:200]!r}" if tries else "the fault is to end"
    return Start(container_name(change, number), why)


def _gone(change: InPod, proof: dict[str, Any], remaining: list[str]) -> Done:
    if isinstance(change, HeldInPod):
        hits = (proof.get("counted") or {}).get("hits") if not change.table else proof.get("hits")
        counted = f" after {hits} hits" if hits is not None else ""
        what = " and ".join(name for name in (f"table {change.table}" if change.table else "", change.holder) if name)
        evidence = f"{what} gone{counted}; what remains of Firedrill in the pod: {remaining}"
        return Done(evidence, hits if isinstance(hits, int) else None)
    dropped = proof.get("dropped")
    counted = f" after it had dropped {dropped} packets" if dropped is not None else ""
    return Done(
        f"table {change.table} is gone{counted}; tables of Firedrill that remain in the pod: {remaining}",
        dropped if isinstance(dropped, int) else None,
    )


def _residues(host: HostPod | None, change: InPod) -> tuple[str, ...]:
    if host is None or host.phase in ephemeral.ENDED:
        return ()
    holding = (change.hold_container,) if isinstance(change, HeldInPod) and not _stays(change) else ()
    names = [name for name in (*holding, change.inject_container, *_undo_names(change)) if host.find(name)]
    if not names:
        return ()
    return (f"ended ephemeral containers {', '.join(names)} of pod {change.key}",)


def _undo_names(change: InPod) -> list[str]:
    return [container_name(change, number) for number in range(1, MAX_TRIES + 1)]
