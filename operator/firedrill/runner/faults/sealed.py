"""Faults of what only few may read: the values are in a vault, and the record holds references alone."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from firedrill.api.changes import Change, VaultRef
from firedrill.clusters.access import Access
from firedrill.clusters.errors import Forbidden, NotFound
from firedrill.engines.chaos import sealing
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.views import PodView
from firedrill.runner.faults.driver import Fault, Look
from firedrill.runner.undoing import Seen, UndoContext, Undoer
from firedrill.runner.vault import Vault


class SealedFault:
    """A fault of single objects, carried out by another one, whose changes never leave this process with values."""

    def __init__(self, fault: Fault, vault: Vault, family: str, part: str) -> None:
        """``part`` tells the changes of this fault from those of others that the same run carries out."""
        self._fault = fault
        self._vault = vault
        self._family = family
        self._part = part

    async def precheck(self, pods: Sequence[PodView]) -> Refusal | None:
        """What the fault itself says, and whether there is a vault."""
        try:
            await self._vault.readable(self._family)
        except (Forbidden, NotFound) as error:
            place = f"the Secret of Firedrill's namespace that keeps originals of family {self._family}"
            return Refusal("NotPermitted", f"{place} can not be used, install the family by the chart: {error.message}")
        return await self._fault.precheck(pods)

    async def plan(self, pods: Sequence[PodView], now: datetime) -> list[Change]:
        """The changes without values, which wait in the vault to be committed."""
        planned = []
        for number, change in enumerate(await self._fault.plan(pods, now)):
            ref = self._vault.stage(self._family, f"{self._part}-{number}", sealing.values_of(change))
            planned.append(sealing.sealed(change, ref))
        return planned

    def schedule(self, change: Any, now: datetime, deadline: datetime) -> Change:
        """The planned change with its times."""
        return self._fault.schedule(change, now, deadline)

    async def apply(self, change: Any) -> Change:
        """Carry it out."""
        return _closed(await self._fault.apply(await _open(self._vault, change)), change.kept_in)

    async def look(self, change: Any) -> Look:
        """What is to be seen of it."""
        return await self._fault.look(await _open(self._vault, change))

    def ended_at(self, change: Any, undone_at: datetime) -> datetime:
        """When the fault ended."""
        return self._fault.ended_at(change, undone_at)

    def proven(self, change: Any) -> bool:
        """Whether the fault's own evidence shows that it took effect."""
        return self._fault.proven(change)


def with_vault(undoer: Undoer) -> Undoer:
    """The same way to undo, also for changes whose values are in a vault."""

    async def undo(context: UndoContext, change: Any) -> Seen:
        if change.kept_in is None:
            return await undoer.undo(context, change)
        look = await undoer.undo(context, await _open(context.vault, change))
        return Seen(_closed(look.change, change.kept_in), look.residues)

    def needs(change: Any) -> list[Access]:
        return [*undoer.needs(change), *(vault_needs(change.kept_in) if change.kept_in else ())]

    return Undoer(undo, needs, undoer.unready)


def vault_needs(ref: VaultRef) -> list[Access]:
    """What reading a value that was kept takes, and forgetting it."""
    return [Access(verb, "secrets", ref.namespace, name=ref.secret) for verb in ("get", "patch")]


async def _open(vault: Vault, change: Any) -> Change:
    return sealing.opened(change, await vault.get(change.kept_in))


def _closed(change: Change, ref: VaultRef) -> Change:
    return sealing.sealed(change, ref)
