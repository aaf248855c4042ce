"""What a conductor finds worth a write."""

from dataclasses import dataclass
from typing import Any

import pytest

from firedrill.api.simulation_status import ServicesState, SimulationState, SloState
from firedrill.runner.simulating.conductor import is_news, slo_state


def state(ready: int = 2, rate: float | None = 20.0, problem: str = "", **slo: Any) -> SimulationState:
    objective = SloState(name="pay", objective=0.99, **{"value": 0.995, "budget_left": 0.5, "met": True, **slo})
    services = ServicesState(ready=ready, wanted=2)
    return SimulationState(uid="u", namespace="bank", services=services, rate=rate, slos=[objective], problem=problem)


@dataclass(frozen=True)
class Row:
    name: str
    now: SimulationState
    news: bool


ROWS = [
    Row("nothing", state(), news=False),
    Row("a service less", state(ready=1), news=True),
    Row("a rate within its noise", state(rate=23.0), news=False),
    Row("a rate that is another", state(rate=26.0), news=True),
    Row("no rate any more", state(rate=None), news=True),
    Row("a budget that shrinks a little", state(budget_left=0.46), news=False),
    Row("a budget that shrinks", state(budget_left=0.44), news=True),
    Row("an objective that is missed", state(met=False, value=0.98), news=True),
    Row("an objective that is about to be missed", state(met=False, value=0.9899), news=False),
    Row("an objective without data", state(value=None, budget_left=None, met=None), news=True),
    Row("a source that fails", state(problem="Prometheus: refused"), news=True),
    Row("a value that moves", state(value=0.996), news=False),
]


def test_a_budget_overspent_many_times_over_needs_more_to_be_news() -> None:
    before = state(budget_left=-400.0)
    assert not is_news(before, state(budget_left=-350.0))
    assert is_news(before, state(budget_left=-290.0))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_news(row: Row) -> None:
    assert is_news(state(), row.now) is row.news


@pytest.mark.parametrize(
    ("value", "met"), [(0.99, True), (0.9899, False), (None, None)], ids=["just met", "just missed", "no data"]
)
def test_an_objective_is_met_or_missed_or_without_data(value: float | None, met: bool | None) -> None:
    assert slo_state("pay", 0.99, value, None).met is met
