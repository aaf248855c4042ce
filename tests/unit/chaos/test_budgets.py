"""Budgets that forbid a fault: of disruptions, and of errors."""

from typing import Any

import pytest
from experiment_builders import KILL, LOSS, pods, spec

from firedrill.api.safety import ErrorBudget, SimulationBudget
from firedrill.api.simulation_status import SimulationState, SloState
from firedrill.engines.chaos import budgets

APP = {"app": "ledger"}
THREE = [pod.__class__(**{**pod.__dict__, "labels": APP}) for pod in pods(3)]


def pdb(allowed: int | None, selector: Any = None, *, name: str = "ledger", seen: bool = True) -> dict[str, Any]:
    status = {} if allowed is None else {"disruptionsAllowed": allowed, "observedGeneration": 2 if seen else 1}
    return {
        "metadata": {"name": name, "generation": 2},
        "spec": {"selector": {"matchLabels": APP} if selector is None else selector},
        "status": status,
    }


@pytest.mark.parametrize(
    ("fault", "hit", "given", "words"),
    [
        (KILL, THREE[:1], [pdb(1)], ""),
        (KILL, THREE[:2], [pdb(1)], "2 ready pods of PodDisruptionBudget ledger would be taken down, and it allows 1"),
        (KILL, THREE[:1], [pdb(0)], "allows 0"),
        (KILL, THREE[:1], [pdb(None)], "allows 0"),
        (KILL, THREE[:1], [pdb(5, seen=False)], "allows 0"),
        (KILL, THREE[:1], [pdb(0, {"matchLabels": {"app": "other"}})], ""),
        (KILL, THREE[:1], [pdb(0, {})], "allows 0"),
        (KILL, THREE[:1], [pdb(5), pdb(0, name="strict")], "PodDisruptionBudget strict"),
        (
            KILL,
            THREE[:1],
            [pdb(0, {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]})],
            "allows 0",
        ),
        (KILL, [pod.__class__(**{**pod.__dict__, "ready": False}) for pod in THREE], [pdb(0)], ""),
        (LOSS, THREE, [pdb(0)], ""),
        ({"imageBreak": {}}, THREE, [pdb(2)], "3 ready pods"),
        ({"scale": {"replicas": 2}}, THREE, [pdb(1)], ""),
        ({"scale": {"replicas": 1}}, THREE, [pdb(1)], "2 ready pods"),
        ({"scale": {"replicas": 9}}, THREE, [pdb(0)], ""),
    ],
)
def test_disruption_budgets(fault: Any, hit: Any, given: Any, words: str) -> None:
    refusal = budgets.check_disruption(budgets.taken_down(spec(fault), hit), given)
    assert (refusal is not None) == bool(words)
    if refusal:
        assert refusal.reason == "NotPermitted"
        assert words in refusal.message


def test_a_named_opt_out_leaves_the_budgets_out() -> None:
    wanted = spec(KILL, target={"ignoreDisruptionBudgets": True})
    assert budgets.taken_down(wanted, THREE) == []


@pytest.mark.parametrize(
    ("left", "reason"),
    [(0.5, ""), (0.2, ""), (0.19, "ErrorBudgetSpent"), (-3.0, "ErrorBudgetSpent"), (None, "ErrorBudgetUnknown")],
)
def test_error_budgets(left: float | None, reason: str) -> None:
    wanted = ErrorBudget.model_validate({"prometheus": {"url": "http://prometheus", "query": "left"}, "min": 0.2})
    refusal = budgets.check_error_budget(wanted, left, "no answer")
    assert (refusal.reason if refusal else "") == reason


STATE = SimulationState(
    slos=[
        SloState(name="latency", objective=0.99, budget_left=0.7),
        SloState(name="errors", objective=0.99, budget_left=-0.5),
        SloState(name="lag", objective=0.9),
    ]
)


@pytest.mark.parametrize(
    ("slo", "left", "words"),
    [
        ("latency", 0.7, ""),
        ("errors", -0.5, ""),
        ("lag", None, "has no data of lag"),
        ("", None, "has no data of lag"),
        ("none", None, "has no objective none"),
    ],
)
def test_what_is_left_of_a_simulation(slo: str, left: float | None, words: str) -> None:
    found, problem = budgets.left_of(SimulationBudget(name="bank", slo=slo), STATE)
    assert found == left
    assert words in problem


def test_the_worst_objective_counts_where_none_is_named() -> None:
    state = STATE.model_copy(update={"slos": STATE.slos[:2]})
    assert budgets.left_of(SimulationBudget(name="bank"), state) == (-0.5, "")
