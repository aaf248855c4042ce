"""Objectives as rules: what counts as good, and what is left of the budget."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from firedrill.api.simulation import Slo
from firedrill.simulation.objectives import good_ratio, rules, scrape_config


def slo(indicator: dict[str, Any], objective: float = 0.99, **more: Any) -> Slo:
    return Slo.model_validate(
        {"name": "pay", "service": "gateway", "indicator": indicator, "objective": objective, "window": "30m", **more}
    )


@pytest.mark.parametrize(
    ("indicator", "parts"),
    [
        ({"availability": {"path": "/pay"}}, ['code=~"5.."', 'service="gateway",route="/pay"', "or vector(0)"]),
        ({"availability": {}}, ['{service="gateway"}']),
        ({"latency": {"threshold": "250ms"}}, ['le=~"0.25(\\\\.0)?"', "http_request_duration_seconds_count"]),
        ({"latency": {"threshold": "1s"}}, ['le=~"1(\\\\.0)?"']),
        ({"freshness": {"topic": "payments", "threshold": "5s"}}, ["message_age_seconds_bucket", 'le=~"5(\\\\.0)?"']),
        ({"lag": {"topic": "payments", "maxMessages": 200}}, ["<= bool 200", "avg_over_time", "consumer_lag"]),
    ],
    ids=["availability of a path", "availability", "latency", "whole seconds", "freshness", "lag"],
)
def test_what_is_good(indicator: dict[str, Any], parts: list[str]) -> None:
    expression = good_ratio(slo(indicator), "1800s")
    assert all(part in expression for part in parts), expression
    assert "1800s" in expression


def test_the_budget_is_what_the_objective_lets_fail() -> None:
    made = rules([slo({"availability": {}}, objective=0.999)])
    by_name = {rule.get("record") or rule["alert"]: rule for group in made["groups"] for rule in group["rules"]}
    assert by_name["slo:budget_left"]["expr"].endswith("/ 0.001")
    assert by_name["slo:burn_rate:1h"]["expr"].endswith("/ 0.001")
    assert by_name["ErrorBudgetBurn"]["expr"].count("> 14.4") == 2, "only when both windows burn"


@pytest.mark.parametrize("threshold", ["200ms", "3s", "0s"])
def test_a_threshold_must_be_one_that_can_be_measured(threshold: str) -> None:
    with pytest.raises(ValidationError, match=r"bound of the histogram"):
        slo({"latency": {"threshold": threshold}})


def test_only_pods_of_this_simulation_are_read() -> None:
    config = scrape_config("bank", "bank-ns", timedelta(seconds=15))
    job = config["scrape_configs"][0]
    assert job["kubernetes_sd_configs"][0]["namespaces"]["names"] == ["bank-ns"]
    assert {"bank", "http"} <= {rule.get("regex") for rule in job["relabel_configs"]}
