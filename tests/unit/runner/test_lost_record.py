"""Somebody deletes the record while changes are being made: what is on is undone all the same, and nothing passes."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chaos_clock import T0
from chaos_lab import JOB, PACKET_LOSS, POD_KILL, RECORD_PATH, Lab, spec, task
from chaos_process import Process
from shape_lab import IN_SEQUENCE, LATE_BESIDE, REPEATED

from firedrill.api.changes import Change, ChangeState, NamespaceCreated, PacketsDropped, PodDeleted, TemplateReplaced
from firedrill.api.record import Record, RecordState
from firedrill.api.task import Result
from firedrill.api.verdict import Verdict
from firedrill.clusters import paths
from firedrill.runner import main, results
from firedrill.runner.restoring import presumed


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
        self.on_at_the_end = list(self.lab.world.live_faults())
        await runner
        await meddler

    async def _run(self) -> None:
        try:
            await self.lab.runner(self._runner)
        except Exception:  # noqa: BLE001 - as a process, it crashes of whatever it meets
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
@pytest.mark.parametrize("fault", [PACKET_LOSS, POD_KILL], ids=["packet loss", "pod kill"])
async def test_what_is_on_is_undone_whatever_the_guardian_saw_last(fault: Any, kill: bool, after: float) -> None:
    run = Sabotaged(spec(fault), after, kill=kill)
    await run.lab.clock.run(run.play())
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
