"""An API server that answers badly: late, not at all, or not at all though it has done what was asked."""

import random
from typing import Any

import pytest
from chaos_lab import CHAOS_MESH, FAULTS, Lab, spec, task
from chaos_process import Process
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from firedrill.clusters.errors import ClusterError, Throttled, Unreachable, api_error

pytestmark = pytest.mark.matrix


class Flaky(Process):
    """A process some of whose requests fail; of writes, some take effect though no answer comes."""

    def __init__(self, lab: Lab, name: str, dice: random.Random, share: float) -> None:
        super().__init__(lab.world, name)
        self._dice = dice
        self._share = share
        self.failed = 0
        self.fail = self._before

    def _before(self, verb: str, path: str) -> ClusterError | None:
        if self._dice.random() >= self._share:
            return None
        self.failed += 1
        return self._dice.choice([Unreachable("no answer"), api_error(503, "", "busy"), Throttled(429, "", "slow")])

    async def _write(self, verb: str, path: str, action: Any, harmless: bool) -> Any:
        answer = await super()._write(verb, path, action, harmless)
        if not harmless and self._dice.random() < self._share:
            self.failed += 1
            raise Unreachable("the answer was lost")
        return answer


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.floats(0.02, 0.35), st.sampled_from(list(FAULTS.values())))
@example(8020, 0.29296875, CHAOS_MESH)
async def test_whatever_the_api_server_does_nothing_is_left(seed: int, share: float, fault: Any) -> None:
    lab = Lab(task(spec(fault)))
    dice = random.Random(seed)
    runner, guardian = Flaky(lab, "runner", dice, share), Flaky(lab, "guardian", dice, share)
    try:
        await lab.play(runner, guardian)
    except ClusterError:
        # The runner broke off: its pod has failed, and the guardian goes on until all is undone.
        lab.world.remove("/api/v1/namespaces/firedrill/pods/runner-pod")
        lab.world.remove(f"/apis/batch/v1/namespaces/firedrill/jobs/{lab.task.job}")
        await lab.clock.run(lab.guardian())
    assert lab.problems() == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_an_api_server_that_is_away_during_the_fault(fault: Any) -> None:
    lab = Lab(task(spec(fault)))
    runner, guardian = lab.runner_process(), Process(lab.world, "guardian")

    def away(_verb: str, _path: str) -> ClusterError | None:
        seconds = (lab.clock.now() - lab.task.started_at).total_seconds()
        return Unreachable("connection refused") if 7 <= seconds < 45 else None

    runner.fail = guardian.fail = away
    await lab.play(runner, guardian)
    assert lab.problems() == []
    assert lab.result is not None
