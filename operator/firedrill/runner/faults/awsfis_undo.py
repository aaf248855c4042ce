"""Undoing an experiment of AWS FIS: it is asked to stop, and seen ended. What it takes back AWS takes back."""

from firedrill.api.changes import FisStarted
from firedrill.clusters.access import Access
from firedrill.clusters.errors import ClusterError
from firedrill.engines.chaos.adapters.awsfis import Experiment
from firedrill.runner.faults.asked import may_be_on_its_way
from firedrill.runner.fis.port import Fis, FisError
from firedrill.runner.undoing import Seen, UndoContext, seen, waiting


async def undo_fis_started(context: UndoContext, change: FisStarted) -> Seen:
    """One step. Experiments whose id nobody could note are found by their token."""
    fis = context.fis.region(change.region)
    found = [change.experiment] if change.experiment else await fis.find(change.name, change.token)
    if may_be_on_its_way(change, context.clock):
        # One that is listed already is stopped at once; another may come.
        for identity in found:
            await _ended(fis, identity)
        return waiting(change, "a request to start an experiment may still be on its way")
    if not found:
        return seen(change, f"AWS lists no experiment of {change.name} with the token of this run")
    looks = {identity: await _ended(fis, identity) for identity in found}
    running = [f"experiment {identity}: {look}" for identity, look in looks.items() if look and not look.ended]
    if running:
        return waiting(change, f"it is asked to stop; {'; '.join(running)}")
    told = "; ".join(f"experiment {identity}: {look or 'AWS knows it no more'}" for identity, look in looks.items())
    return seen(change, told, tuple(_residues(looks)))


async def _ended(fis: Fis, identity: str) -> Experiment | None:
    """Where it stands, once it was asked to stop; None where AWS knows it no more."""
    try:
        look = await fis.experiment(identity)
        if not look.ended and look.status != "stopping":
            await fis.stop(identity)
    except FisError as error:
        if error.missing:
            return None
        raise
    return look


def _residues(looks: dict[str, Experiment | None]) -> list[str]:
    found = []
    for identity, look in looks.items():
        if look is None:
            found.append(f"experiment {identity}: AWS knows it no more, so that nobody can say how it ended")
        elif look.begun:
            kinds = sorted({look.actions[name].action_id for name in look.begun})
            found.append(f"experiment {identity}: what {', '.join(kinds)[:300]} can not take back stays")
    return found


async def fis_unready(context: UndoContext, change: FisStarted) -> str:
    """Why a guardian could not undo it: it must be let in by AWS. Whether it may stop, AWS tells nobody beforehand."""
    fis = context.fis.region(change.region)
    try:
        await fis.find(change.name, change.token)
    except ClusterError as error:
        return f"it can not ask AWS FIS: {error}"
    return ""


def fis_started_needs(change: FisStarted) -> list[Access]:
    """Nothing of the API server."""
    del change
    return []
