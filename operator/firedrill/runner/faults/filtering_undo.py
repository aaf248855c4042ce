"""Undoing a packet filter, by anyone at any time: a decision from the pod as it is, then one step.

The hard case is a run that died between asking for the injecting container and writing that down. Its request may
still be on the way, or the kubelet may start the container any time later. Two things make that harmless: the
container refuses to inject after ``not_after``, and where it is not there yet, its name is taken by a container
that undoes, so that it can never be added.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from firedrill.api.base import format_time
from firedrill.api.record import ChangeState, PacketsDropped
from firedrill.runner.faults import ephemeral
from firedrill.runner.faults.ephemeral import ContainerView, HostPod
from firedrill.runner.faults.filtering import CLOCK_SKEW
from firedrill.runner.undoing import Access, Seen, UndoContext

#: Undoing containers that may be tried in one pod; each leaves an entry that can not be removed.
MAX_TRIES: Final = 10


@dataclass(frozen=True)
class Done:
    """Nothing of the fault is left in the pod."""

    evidence: str
    dropped: int | None = None


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


def next_step(host: HostPod | None, change: PacketsDropped, now: datetime) -> Step:
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
    if injecting.exit_code is None:
        # A node that is cut off does not tell that it has started it: only the kernel's limit is sure.
        if not injecting.started and now > _kernel_ends(change):
            return Done("the injecting container was not seen to start, and if it did, the kernel has ended the drop")
        return Wait(f"the injecting container has not ended yet {injecting.waiting}".rstrip())
    return _undoing(host, change, [])


def container_name(change: PacketsDropped, number: int) -> str:
    """Name of an undoing container; the first has number 1."""
    return change.undo_container if number == 1 else f"{change.undo_container}-{number}"


async def undo_packets_dropped(context: UndoContext, change: PacketsDropped) -> Seen:
    """Take one step and say what is seen."""
    host = await ephemeral.read_host(context.client, change.namespace, change.name, change.uid)
    step = next_step(host, change, context.clock.now())
    match step:
        case Done(evidence, dropped):
            update = {
                "state": ChangeState.UNDONE,
                "evidence": evidence,
                "dropped_packets": dropped if dropped is not None else change.dropped_packets,
            }
            return Seen(change.model_copy(update=update), _residues(host, change))
        case Start(name, why):
            spec = ephemeral.container(name, context.task.image, ("undo", "--table", change.table))
            await ephemeral.add_container(context.client, change.namespace, change.name, change.uid, spec)
            return Seen(change.model_copy(update={"evidence": f"container {name} was started: {why}"}))
        case Wait(evidence):
            return Seen(change.model_copy(update={"evidence": evidence}))


def packets_dropped_needs(change: PacketsDropped) -> list[Access]:
    """What undoing takes."""
    return [
        Access("get", "pods", change.namespace),
        Access("patch", "pods", change.namespace, subresource="ephemeralcontainers"),
    ]


def _pod_gone(change: PacketsDropped, now: datetime) -> Step:
    # A pod that was deleted by force may run on, unseen, on a node that is cut off. The kernel ends the drop there.
    if now < _kernel_ends(change):
        return Wait(f"the pod is gone; the kernel ends the drop at {format_time(_kernel_ends(change))} at the latest")
    return Done("the pod is gone, and its network namespace with it")


def _kernel_ends(change: PacketsDropped) -> datetime:
    """When the drop is over, whoever has seen it begin."""
    latest = change.not_after + CLOCK_SKEW + timedelta(seconds=change.seconds)
    if change.expires_at is None:
        return latest
    return change.expires_at if change.applied_at else max(latest, change.expires_at)


def _undoing(host: HostPod, change: PacketsDropped, first: list[ContainerView]) -> Step:
    own = (host.find(container_name(change, number)) for number in range(1, MAX_TRIES + 1))
    tries = first + [container for container in own if container is not None]
    for container in tries:
        remaining = container.proof.get("remaining")
        if container.exit_code == 0 and isinstance(remaining, list) and change.table not in remaining:
            dropped = container.proof.get("dropped")
            counted = f" after it had dropped {dropped} packets" if dropped is not None else ""
            return Done(
                f"table {change.table} is gone{counted}; tables of Firedrill that remain in the pod: {remaining}",
                dropped if isinstance(dropped, int) else None,
            )
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


def _residues(host: HostPod | None, change: PacketsDropped) -> tuple[str, ...]:
    if host is None or host.phase in ephemeral.ENDED:
        return ()
    names = [name for name in (change.inject_container, *_undo_names(change)) if host.find(name)]
    if not names:
        return ()
    return (f"ended ephemeral containers {', '.join(names)} of pod {change.key}",)


def _undo_names(change: PacketsDropped) -> list[str]:
    return [container_name(change, number) for number in range(1, MAX_TRIES + 1)]
