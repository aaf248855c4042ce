"""Somebody deletes the record while changes are being made: what is on is undone all the same, and nothing passes."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chaos_clock import T0
from chaos_lab import API_SURGE, AWS_FIS, FAULTS, JOB, PACKET_LOSS, RECORD_PATH, Lab, spec, steps_spec, task
from chaos_nodes import NAMES
from chaos_process import Process
from shape_lab import IN_SEQUENCE, LATE_BESIDE, REPEATED

from firedrill.api.changes import (
    Change,
    ChangeState,
    FisStarted,
    NamespaceCreated,
    NodeCutOff,
    PacketsDropped,
    PodDeleted,
    RequestsSent,
    TemplateReplaced,
)
from firedrill.api.record import Record, RecordState
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.runner import main, results
from firedrill.runner.restoring import presumed

pytestmark = pytest.mark.matrix


class Sabotaged:
    """A run whose record is deleted so many seconds after it is Applying, or has so many changes."""

    def __init__(self, shape: Any, after: float, *, kill: bool, changes: int = 1) -> None:
        self.lab = Lab(task(shape))
        self._changes = changes
        self._after = after
        self._kill = kill
        self._runner = self.lab.runner_process()
        #: Faults that were on when the guardian said that it was done.
        self.on_at_the_end: list[str] = []

    async def play(self) -> None:
        runner = asyncio.create_task(self._run())
        meddler = asyncio.create_task(self._meddle())
        await self.lab.guardian(Process(self.lab.world, "guardian"))
        lab = self.lab
        self.on_at_the_end = list(lab.world.live_faults())
        self.on_at_the_end += [name for name in NAMES if lab.nodes.cut(name)]
        self.on_at_the_end += ["an experiment of AWS FIS"] if lab.account.hurts else []
        self.on_at_the_end += ["a surge" for surge in lab.surges if surge.alive]
        await runner
        await meddler

    async def _run(self) -> None:
        try:
            await self.lab.runner(self._runner)
        except Exception:  # noqa: BLE001 - as a process, it crashes of whatever it meets
            self._runner.dead = True
            self.lab.world.objects[paths.pods("firedrill", "runner-pod")]["status"]["phase"] = "Failed"
            ended = {"conditions": [{"type": "Failed", "status": "True"}]}
            self.lab.world.objects[paths.jobs("firedrill", JOB)]["status"] = ended

    async def _meddle(self) -> None:
        while True:
            await self.lab.clock.sleep(0.005)
            record = self.lab.record()
            if record and record.state is not RecordState.PREPARED and len(record.changes) >= self._changes:
                await self.lab.clock.sleep(self._after)
                self.lab.world.remove(RECORD_PATH)
                self._runner.dead = self._kill
                return


@pytest.mark.parametrize("after", [0.05, 0.15, 0.4, 0.9, 1.1, 3.0])
@pytest.mark.parametrize("kill", [False, True], ids=["runner lives", "runner dies"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_is_on_is_undone_whatever_the_guardian_saw_last(fault: Any, kill: bool, after: float) -> None:
    run = Sabotaged(spec(fault), after, kill=kill)
    await run.lab.clock.run(run.play())
    # Pods of a workload that was put back come up by themselves.
    await run.lab.clock.run(run.lab.clock.sleep(5.0))
    assert run.on_at_the_end == [], "the guardian said that it was done"
    assert run.lab.problems() == []
    assert run.lab.result is None or run.lab.result.verdict is not Verdict.PASSED, run.lab.result


@pytest.mark.parametrize("after", [0.02, 0.15, 0.5, 1.1, 1.6, 3.0])
@pytest.mark.parametrize("kill", [False, True], ids=["runner lives", "runner dies"])
@pytest.mark.parametrize("shape", [IN_SEQUENCE, LATE_BESIDE, REPEATED], ids=["in sequence", "late beside", "repeated"])
async def test_what_was_added_to_a_record_is_undone_when_that_is_deleted(shape: Any, kill: bool, after: float) -> None:
    run = Sabotaged(shape, after, kill=kill, changes=2)
    await run.lab.clock.run(run.play())
    await run.lab.clock.run(run.lab.clock.sleep(5.0))
    assert run.on_at_the_end == [], "the guardian said that it was done"
    assert run.lab.problems() == []
    assert run.lab.result is None or run.lab.result.verdict is not Verdict.PASSED, run.lab.result


@pytest.mark.parametrize("after", [0.02, 0.5, 1.1, 3.0])
@pytest.mark.parametrize("kill", [False, True], ids=["runner lives", "runner dies"])
@pytest.mark.parametrize("fault", [AWS_FIS, API_SURGE], ids=["aws fis", "api surge"])
async def test_what_goes_on_outside_the_cluster_is_ended_when_it_was_added(
    fault: Any, kill: bool, after: float
) -> None:
    later = {"name": "two", "fault": fault, "after": ["one"], "duration": "40s"}
    run = Sabotaged(steps_spec({"name": "one", "fault": PACKET_LOSS}, later), after, kill=kill, changes=2)
    await run.lab.clock.run(run.play())
    assert run.on_at_the_end == [], "the guardian said that it was done"
    assert run.lab.problems() == []


async def test_a_runner_that_crashes_with_its_fault_on_does_not_say_that_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    context = lab._context(lab.runner_process(), "runner-pod")
    lab._pod(paths.pods("firedrill", "runner-pod"), JOB, "runner-pod")

    async def crash(_: Any) -> None:
        await context.store.claim(plain())
        await context.store.update(lambda found: found.model_copy(update={"state": RecordState.APPLYING}))
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(main, "dispatch", crash)
    monkeypatch.setattr(results, "leave_message", lambda result: None)
    assert await lab.clock.run(main.carry_out(context)) == 0
    told = Result.model_validate_json(
        lab.world.objects[paths.configmaps("firedrill", f"{JOB}-result")]["data"]["result.json"]
    )
    assert (told.reason, told.settled) == ("RunnerCrashed", False)


async def test_a_process_says_that_nothing_is_left_before_it_claims_and_once_it_has_settled() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    store = lab._context(lab.runner_process(), "runner-pod").store
    assert store.nothing_left
    await lab.clock.run(store.claim(plain()))
    assert not store.nothing_left
    await lab.clock.run(store.finish(lambda found: found.model_copy(update={"state": RecordState.UNDONE})))
    assert store.nothing_left


def plain(*changes: Change, state: RecordState = RecordState.PREPARED) -> Record:
    return Record(
        uid="u", run_id="r", cluster="c", kind="k", claim="runner-pod", deadline=T0, state=state, changes=list(changes)
    )


def test_what_was_planned_when_it_was_last_seen_counts_as_done() -> None:
    template = TemplateReplaced(namespace="n", name="d", original={}, replacement={}, proposal="p")
    pod = PodDeleted(namespace="n", name="p", owner_kind="ReplicaSet", owner_name="r", owner_uid="u", ready_before=1)
    packets = PacketsDropped(
        namespace="n", name="p", table="t", port=1, percent=1, seconds=9, not_after=T0, expires_at=T0,
        inject_container="i", undo_container="o",
    )  # fmt: skip
    sandbox = NamespaceCreated(namespace="s", name="s")
    done = pod.model_copy(update={"state": ChangeState.UNDONE})
    restored = presumed(plain(template, pod, packets, sandbox, done), T0)
    late = T0 + timedelta(seconds=60)
    assert restored.state is RecordState.UNDOING
    assert restored.changes == [
        template.model_copy(update={"state": ChangeState.APPLIED}),
        pod.model_copy(update={"not_after": late}),
        packets.model_copy(update={"not_after": late, "expires_at": None}),
        sandbox,
        done,
    ]


def test_what_the_runner_may_have_told_nobody_of_gets_times_that_are_late_enough() -> None:
    node = NodeCutOff(
        namespace="", name="n", pods_in="f", inject_pod="i", undo_pod="o", table="t", addresses=["10.0.0.9"], port=1,
        seconds=95, state=ChangeState.LISTED,
    )  # fmt: skip
    told = node.model_copy(update={"inject_by": T0 + timedelta(seconds=40), "state": ChangeState.PLANNED})
    surge = RequestsSent(
        namespace="n", name="Pods", path="/api/v1/pods", rate=1, concurrency=1, seconds=15, sender="s", runner_pod="p",
        state=ChangeState.LISTED,
    )  # fmt: skip
    fis = FisStarted(namespace="n", name="EXT1", region="eu-west-1", token="t", state=ChangeState.LISTED)
    late = T0 + timedelta(seconds=60)
    planned = {"state": ChangeState.PLANNED, "not_after": late}
    assert presumed(plain(node, told, surge, fis), T0).changes == [
        node.model_copy(
            update={
                **planned,
                "inject_by": late + timedelta(seconds=60),
                "expires_at": late + timedelta(seconds=60 + 95 + 5),
            }
        ),
        told.model_copy(update={**planned, "expires_at": T0 + timedelta(seconds=40 + 95 + 5)}),
        surge.model_copy(update={**planned, "ends_at": late + timedelta(seconds=15 + 5)}),
        fis.model_copy(update=planned),
    ]
