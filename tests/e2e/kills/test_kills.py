"""Every way of undoing, in real pods: whoever is killed at whichever write, the run is settled and nothing is left.

All of it takes long: `make chaos-full`. Otherwise a part of it is played; the seed is told, so that what failed can be
played again.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from demo import HUB, ROOT, Demo
from fault_runs import TARGET, allow_everything
from kill_runs import GUARDIAN, RUNNER, Ground, Kill, Mechanism, Outcome

from firedrill.clusters.client import KubeClient
from firedrill.clusters.credentials import api_from_environment
from firedrill.core.naming import guardian_name
from support import node, rotation
from support.kube import Cluster, access

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

MECHANISMS = (
    Mechanism("pods deleted", {"podKill": {}}),
    Mechanism("packets filtered", {"packetLoss": {"percent": 100, "port": 8080}}),
    Mechanism("a template edited", {"imageBreak": {}}),
    Mechanism("a field edited", {"wrongPort": {"service": "shop"}}),
    Mechanism("an object created", {"quotaExhausted": {}}),
    Mechanism("an object deleted", {"serviceDelete": {"service": "shop"}}),
)
#: Kills that are played where not all are, of each way of undoing.
_PART = 2
_AT_ONCE = 3


@dataclass(frozen=True)
class Case:
    """A way of undoing, and who is killed when."""

    mechanism: Mechanism
    kills: tuple[Kill, ...]

    def __str__(self) -> str:
        return f"{self.mechanism.name}: {' and '.join(map(str, self.kills)) or 'nobody is killed'}"


@pytest.fixture(scope="module")
def quiet_hub(lab: Demo) -> Iterator[Demo]:
    """No operator: it would take away runs whose resource it does not know."""
    allow_everything(lab)
    deployment = ("-n", "firedrill-system", "deployment/firedrill-operator")
    lab.kubectl(HUB, "scale", *deployment, "--replicas=0")
    lab.kubectl(HUB, "-n", "firedrill-system", "wait", "--for=delete", "pods", "-l", "app.kubernetes.io/name=firedrill")
    yield lab
    lab.kubectl(HUB, "scale", *deployment, "--replicas=1")
    lab.kubectl(HUB, "rollout", "status", *deployment, "--timeout=120s")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def grounds(quiet_hub: Demo) -> AsyncIterator[list[Ground]]:
    """Applications of their own, for runs side by side."""
    kubeconfig = Path(quiet_hub.state["kubeconfig"])
    client = KubeClient(await api_from_environment(TARGET), "finance")
    cluster = Cluster("finance", access(kubeconfig, TARGET))
    made = [Ground(quiet_hub, client, cluster) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*(ground.set_up() for ground in made))
        yield made
    finally:
        for ground in made:
            await ground.tear_down()
        await client.close()


async def play_all(grounds: Sequence[Ground], cases: Sequence[Case]) -> dict[Case, Outcome]:
    """Each case on the next ground that is free; tells how many are over, because all of them take long."""
    free: asyncio.Queue[Ground] = asyncio.Queue()
    for ground in grounds:
        free.put_nowait(ground)

    over = itertools.count(1)

    async def play(case: Case) -> Outcome:
        ground = await free.get()
        try:
            return await ground.play(case.mechanism, case.kills)
        finally:
            free.put_nowait(ground)
            print(f"{next(over)} of {len(cases)}: {case}", flush=True)

    return dict(zip(cases, await asyncio.gather(*map(play, cases)), strict=True))


def kills_of(writes: Mapping[str, Sequence[str]], after_runner: Mapping[int, Sequence[str]]) -> list[tuple[Kill, ...]]:
    """Everybody at each write of an undisturbed run, and the guardian at each write after the runner's death."""
    alone = [
        (Kill(process, number, after),)
        for process, labels in writes.items()
        for number in range(1, len(labels) + 1)
        for after in (False, True)
    ]
    both = [
        (Kill(RUNNER, runner, after=True), Kill(GUARDIAN, number, after))
        for runner, labels in after_runner.items()
        for number in range(len(writes[GUARDIAN]) + 1, len(labels) + 1)
        for after in (False, True)
    ]
    return [*alone, *both]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def cases(grounds: list[Ground]) -> list[tuple[Case, Outcome]]:
    """Runs that nobody disturbs tell how many writes there are; then those with kills."""
    quiet = await play_all(grounds, [Case(mechanism, ()) for mechanism in MECHANISMS])
    for case, outcome in quiet.items():
        assert outcome.record is not None, case
        assert outcome.record.undone_by == "runner", case
    # When the runner has applied its changes, all is in place and the guardian has to undo it.
    applied = {case.mechanism: _applied(outcome.writes[RUNNER]) for case, outcome in quiet.items()}
    orphaned = await play_all(grounds, [Case(m, (Kill(RUNNER, number, after=True),)) for m, number in applied.items()])
    wanted: list[Case] = []
    for (case, outcome), (_, alone) in zip(quiet.items(), orphaned.items(), strict=True):
        number = applied[case.mechanism]
        found = kills_of(outcome.writes, {number: alone.writes[GUARDIAN]})
        wanted += [Case(case.mechanism, kills) for kills in rotation.part(case.mechanism.name, found, _PART)]
    print(f"seed {rotation.SEED}: {len(wanted)} kills")
    played = await play_all(grounds, wanted)
    every = [*quiet.items(), *orphaned.items(), *played.items()]
    if rotation.WRITE_DOCS:
        (ROOT / "docs" / "kill-at-every-write-pods.md").write_text(table(every))
    return every


def _applied(labels: Sequence[str]) -> int:
    """The number of the write after which all changes are in place: the last but those of undoing and the result."""
    return max(number for number, label in enumerate(labels, 1) if "record" in label) - _UNDO_WRITES


#: A runner that nobody disturbs writes to its record: undoing begins, undone.
_UNDO_WRITES = 2


def table(every: Sequence[tuple[Case, Outcome]]) -> str:
    """What was seen, as Markdown."""
    lines = [
        "# Killed at every write, in real pods",
        "",
        f"Written by `make chaos-full` on {time.strftime('%Y-%m-%d', time.gmtime())}. Runner and guardian are the pods "
        "that the operator makes; a proxy before the API server kills the process of one, by SIGKILL, before the write "
        "reaches the API server or after it was done and before the process hears of it. Residues are looked for by "
        "kubectl and in the pods' network namespaces, by nothing that knows how a fault is undone. A kill does not "
        "strike where its run made fewer writes than one that nobody disturbed: undoing notes what each look shows.",
        "",
        "| way of undoing | runs | kills that struck | settled | residues |",
        "|---|---|---|---|---|",
    ]
    for mechanism in MECHANISMS:
        mine = [outcome for case, outcome in every if case.mechanism == mechanism]
        settled = sum(outcome.record is None or outcome.record.state.settled for outcome in mine)
        left = sum(outcome.left != outcome.baseline for outcome in mine)
        struck = sum(len(outcome.struck) for outcome in mine)
        meant = sum(len(case.kills) for case, _ in every if case.mechanism == mechanism)
        lines.append(f"| {mechanism.name} | {len(mine)} | {struck} of {meant} | {settled} | {left} |")
    return "\n".join([*lines, ""])


async def test_each_kill_of_a_write_that_was_made_has_struck(cases: list[tuple[Case, Outcome]]) -> None:
    """Undoing notes what it sees at each look, and how many looks it takes is up to the cluster."""
    missed = [
        f"{case}: {kill}"
        for case, outcome in cases
        for kill in case.kills
        if kill not in outcome.struck and len(outcome.writes[kill.process]) >= kill.number
    ]
    assert missed == []


async def test_every_run_is_settled(cases: list[tuple[Case, Outcome]]) -> None:
    open_ones = [
        f"{case}: {outcome.record.state}, {outcome.record.message}"
        for case, outcome in cases
        if outcome.record is not None and not outcome.record.state.settled
    ]
    assert open_ones == []


async def test_nothing_is_left_of_any(cases: list[tuple[Case, Outcome]]) -> None:
    left = {str(case): outcome.left for case, outcome in cases if outcome.left != outcome.baseline}
    assert left == {}


async def test_the_node_of_all_loses_its_power(quiet_hub: Demo, grounds: list[Ground]) -> None:
    """Runner, guardian and the pods under fault end at once; the guardian comes back with the node, and undoes."""
    ground = grounds[0]
    async with ground.begun(Mechanism("a field edited", {"wrongPort": {"service": "shop"}}), duration="60s") as scene:
        await scene.run.state("Applied")
        assert await asyncio.to_thread(node.restart, quiet_hub.lab, "finance") > len(grounds)
        record = await scene.run.state("Undone", seconds=240)
        assert record.undone_by == GUARDIAN
        await scene.run.job_ended(guardian_name(scene.run.job), 120)
    assert await ground.look() == ground.baseline


async def test_the_namespace_goes_in_the_middle_of_a_fault(quiet_hub: Demo, grounds: list[Ground]) -> None:
    """Gone is undone: the run is settled, nothing of it keeps the namespace, and nothing is created in it again."""
    ground = Ground(quiet_hub, grounds[0].client, grounds[0].cluster)
    await ground.set_up()
    async with ground.begun(
        Mechanism("an object deleted", {"serviceDelete": {"service": "shop"}}), duration="60s"
    ) as scene:
        await scene.run.state("Applied")
        await ground.tear_down()
        record = await scene.run.state("Undone", seconds=240)
        await scene.run.job_ended(guardian_name(scene.run.job), 120)
    assert [change.state for change in record.changes] == ["Undone"]
    left = quiet_hub.kubectl(
        TARGET, "wait", "--for=delete", f"namespace/{ground.namespace}", "--timeout=120s", capture=True
    )
    assert "error" not in left


async def test_the_api_server_is_away_for_a_minute(grounds: list[Ground]) -> None:
    """Longer than the fault: it ends late, but it ends, and nothing is left."""
    ground = grounds[0]
    async with ground.begun(Mechanism("a template edited", {"imageBreak": {}}), duration="10s") as scene:
        await scene.run.state("Applied")
        proxies = list(scene.proxies.values())
        with proxies[0].unreachable(), proxies[1].unreachable():
            await asyncio.sleep(60)
        record = await scene.run.state("Undone", seconds=120)
        assert record.undone_by in (RUNNER, GUARDIAN)
        await scene.run.job_ended(guardian_name(scene.run.job), 120)
    assert await ground.look() == ground.baseline
