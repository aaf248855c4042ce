"""Whole runs of an experiment, runner and guardian, in virtual time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from chaos_lab import CPU_STRESS, HTTP_ABORT, PACKET_LOSS, PASSWORD, POD_KILL, RECORD_PATH, RUN, Lab, spec, task

from firedrill.api.record import RecordState
from firedrill.api.verdict import ConditionStatus, Verdict
from firedrill.clusters import paths


def measured(lab: Lab) -> dict[str, Any]:
    assert lab.result is not None
    return {item.name: item for item in lab.result.measurements}


def finding(lab: Lab, name: str) -> tuple[str, str]:
    assert lab.result is not None
    (found,) = [item for item in lab.result.findings if item.type == name]
    return found.status, found.reason


async def test_packet_loss_is_seen_ends_on_time_and_leaves_nothing() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld"), lab.result.message
    values = measured(lab)
    assert values["successRateBefore"].value == 1.0
    assert 0.4 < values["successRateDuring"].value < 0.9
    assert values["successRateAfter"].value >= 0.95
    assert values["recoveryTime"].value < 1
    assert values["droppedPackets"].value > 0
    assert lab.problems() == []
    assert [finding(lab, name)[0] for name in ("Injected", "Recovered", "RecoveryVerified")] == ["True"] * 3
    record = lab.record()
    assert record is not None
    assert record.undone_by == "runner"
    assert record.residues == [
        f"ended ephemeral containers firedrill-{RUN}-in, firedrill-{RUN}-out of pod {record.changes[0].namespace}/"
        f"{record.changes[0].name}"
    ]


async def test_pod_kill_is_passed_when_the_owner_is_as_ready_as_before() -> None:
    lab = Lab(task(spec(POD_KILL)))
    before = {pod["metadata"]["uid"] for pod in lab.world.pods("ledger")}
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld"), lab.result.message
    after = {pod["metadata"]["uid"] for pod in lab.world.pods("ledger")}
    assert len(before - after) == 1
    assert measured(lab)["targetsHit"].value == 1
    assert 0 <= measured(lab)["recoveryTime"].value < 10
    assert lab.problems() == []


async def test_pods_that_do_not_come_back_are_not_recovered() -> None:
    lab = Lab(task(spec(POD_KILL, recoveryTimeout="5s", duration="2s")))
    lab.world.replace_delay = None
    lab.guardian_delay = 0.5

    async def play() -> None:
        guardian = asyncio.ensure_future(lab.guardian())
        await lab.runner(lab.runner_process())
        guardian.cancel()

    await lab.clock.run(play())
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.FAILED, "NotRecovered")
    record = lab.record()
    assert record is not None
    assert not record.state.settled
    assert finding(lab, "RecoveryVerified")[0] == ConditionStatus.FALSE


async def test_limit_during_the_fault_is_held_against_what_was_seen() -> None:
    raw = spec(PACKET_LOSS)
    raw["steadyState"]["minSuccessRateDuring"] = 0.99
    lab = Lab(task(raw))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.FAILED, "SteadyStateViolated")
    assert measured(lab)["successRateDuring"].passed is False
    assert lab.problems() == []


async def test_a_fault_that_nothing_shows_is_inconclusive() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))

    async def blind() -> tuple[bool, str]:
        return True, ""

    lab.ask = blind  # type: ignore[method-assign]
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "FaultNotObserved")
    assert lab.problems() == []


async def test_nothing_is_injected_into_a_system_that_is_not_steady() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    for pod in lab.world.pods("ledger"):
        lab.world.objects[paths.pods("payments", pod["metadata"]["name"])]["status"]["conditions"][0]["status"] = (
            "False"
        )
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "SteadyStateNotMet")
    assert lab.record() is None
    assert finding(lab, "Injected") == ("False", "SteadyStateNotMet")


@pytest.mark.parametrize("fault", [PACKET_LOSS, POD_KILL])
async def test_no_injection_without_a_guardian(fault: Any) -> None:
    lab = Lab(task(spec(fault)))
    before = [pod["metadata"]["uid"] for pod in lab.world.pods("ledger")]
    await lab.clock.run(lab.runner(lab.runner_process()))
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "GuardianNotReady")
    assert lab.problems() == []
    assert [pod["metadata"]["uid"] for pod in lab.world.pods("ledger")] == before


async def test_no_injection_with_a_guardian_that_may_not_undo() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    lab.world.forbidden.add(("patch", "pods/ephemeralcontainers"))
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "GuardianNotPermitted")
    assert "patch pods/ephemeralcontainers in payments" in lab.result.message
    assert lab.problems() == []


async def test_no_injection_where_the_armed_guardian_runs_no_more() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))

    async def play() -> None:
        guardian = asyncio.ensure_future(lab.guardian())
        runner = asyncio.ensure_future(lab.runner(lab.runner_process()))
        while (record := lab.record()) is None or record.guardian is None:
            await lab.clock.sleep(0.005)
        guardian.cancel()
        lab.world.objects[paths.pods("firedrill", "guardian-pod-1")]["status"]["phase"] = "Failed"
        await runner

    await lab.clock.run(play())
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "GuardianNotReady")
    assert lab.problems() == []


async def test_pod_security_is_told_before_anything_is_written() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    lab.world.pod_security = 'pods "ledger" is forbidden: violates PodSecurity "baseline:latest"'
    process = lab.runner_process()
    await lab.clock.run(lab.runner(process))
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "NotPermitted")
    assert "violates PodSecurity" in lab.result.message
    assert "podKill" in lab.result.message
    assert process.writes == []


async def test_a_dry_run_tells_what_would_be_set_and_not_what_is_there() -> None:
    drift = {"configDrift": {"name": "app", "key": "dsn", "value": "postgres://nowhere"}}
    lab = Lab(task(spec(drift, dryRun=True)))
    lab.world.put(paths.configmaps("payments", "app"), {"data": {"dsn": f"postgres://app:{PASSWORD}@db/shop"}})
    await lab.clock.run(lab.runner(lab.runner_process()))
    assert lab.result is not None
    assert 'data.dsn: what it holds -> "postgres://nowhere"' in lab.result.message
    assert PASSWORD not in lab.result.model_dump_json()


def spend(lab: Lab, count: int) -> None:
    """What so many containers of earlier faults leave in the pods of the ledger."""
    for pod in lab.world.pods("ledger"):
        body = lab.world.objects[paths.pods("payments", pod["metadata"]["name"])]
        body["spec"]["ephemeralContainers"] = [
            {"name": f"firedrill-earlier-{number}", "command": ["firedrill", "netfault"]} for number in range(count)
        ]


@pytest.mark.parametrize("fault", [PACKET_LOSS, HTTP_ABORT, CPU_STRESS], ids=["loss", "redirect", "load"])
async def test_a_pod_that_many_containers_were_brought_to_takes_another_fault(fault: dict[str, Any]) -> None:
    lab = Lab(task(spec(fault)))
    spend(lab, 55)
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.PASSED, "SteadyStateHeld"), lab.result.message
    assert lab.problems() == []


async def test_a_pod_whose_kubelet_would_cut_our_proofs_is_refused_before_anything_is_written() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    spend(lab, 58)
    process = lab.runner_process()
    await lab.clock.run(lab.runner(process))
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "NotApplicable")
    assert "lists 59 containers" in lab.result.message
    assert "rollout restart" in lab.result.message
    assert process.writes == []


@pytest.mark.parametrize("after", [1.0, 3.5, 5.0, 7.0, 12.0, 14.5])
async def test_abort_ends_the_fault_at_once(after: float) -> None:
    lab = Lab(task(spec(PACKET_LOSS)))

    async def play() -> None:
        await asyncio.gather(lab.both(lab.runner_process()), lab.operator_aborts(after, "Superseded: the spec changed"))

    await lab.clock.run(play())
    assert lab.result is not None
    if after < 14:
        assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "Superseded"), lab.result.message
    assert lab.problems() == []
    assert lab.clock.now() - lab.task.started_at < timedelta(seconds=after + 25)


async def test_a_cancelled_run_is_never_claimed() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))

    async def play() -> None:
        await lab.operator_aborts(0, "Cancelled: deleted")
        await lab.both(lab.runner_process())

    await lab.clock.run(play())
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "Cancelled")
    assert lab.record() is None


async def test_a_second_pod_leaves_no_trace() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    second = lab.runner_process()

    async def play() -> None:
        first = asyncio.ensure_future(lab.both(lab.runner_process()))
        await lab.clock.sleep(2.0)
        assert await lab.runner(second, "second-pod") is None
        await first

    await lab.clock.run(play())
    assert [write for write in second.writes if "/pods/" in write] == []
    assert lab.result is not None
    assert lab.result.verdict is Verdict.PASSED
    assert lab.problems() == []


async def test_a_pod_that_others_replace_is_a_reverted_fault() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))

    async def rollout() -> None:
        await lab.clock.sleep(9.0)
        record = lab.record()
        assert record is not None
        assert record.state is RecordState.APPLIED
        lab.world.delete(paths.pods("payments", record.changes[0].name), None, 0)

    async def play() -> None:
        await asyncio.gather(lab.both(lab.runner_process()), rollout())

    await lab.clock.run(play())
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "Reverted")
    assert finding(lab, "Injected") == ("False", "Reverted")
    assert lab.problems() == []


async def test_a_container_that_never_starts_is_no_injection() -> None:
    lab = Lab(task(spec(PACKET_LOSS)))
    lab.world.container_delay = 120.0
    await lab.play()
    assert lab.result is not None
    assert (lab.result.verdict, lab.result.reason) == (Verdict.INCONCLUSIVE, "NotInjected"), lab.result.message
    assert lab.problems() == []
    # It starts at last, and refuses.
    await lab.clock.run(lab.clock.sleep(200))
    assert lab.problems() == []


@pytest.mark.parametrize("fenced", [False, True], ids=["deleted", "deleted, and a fence in its place"])
async def test_a_deleted_record_is_written_again_and_undone(fenced: bool) -> None:
    lab = Lab(task(spec(PACKET_LOSS)))

    async def meddle() -> None:
        await lab.clock.sleep(9.0)
        lab.world.remove(RECORD_PATH)
        if fenced:
            lab.world.put(RECORD_PATH, {"metadata": {}, "data": {"control.json": '{"abort":"Deleted"}'}})

    async def play() -> None:
        await asyncio.gather(lab.both(lab.runner_process()), meddle())

    await lab.clock.run(play())
    assert lab.record() is not None
    assert lab.problems() == []
