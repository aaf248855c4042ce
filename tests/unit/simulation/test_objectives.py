"""Objectives as rules: what counts as good, and what is left of the budget."""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from firedrill.api.objective import AGE_BUCKETS, LATENCY_BUCKETS, Slo
from firedrill.api.servicegraph import Entry
from firedrill.api.simulation import SimulationSpec
from firedrill.simulation.objectives import entry_name, good_ratio, rules, scrape_config
from firedrill.simulation.plan import make_plan
from firedrill.simulation.world import Images, build

REPOSITORY = Path(__file__).parents[3]
ENTRIES = [
    Entry(service="gateway", path="/pay"),
    Entry(service="gateway", path="/v1.2/rates"),
    Entry(service="shop", path="/"),
]


def slo(indicator: dict[str, Any], objective: float = 0.99, **more: Any) -> Slo:
    return Slo.model_validate(
        {"name": "pay", "service": "gateway", "indicator": indicator, "objective": objective, "window": "30m"} | more
    )


@dataclass(frozen=True)
class Row:
    name: str
    service: str
    indicator: dict[str, Any]
    has: list[str]
    lacks: list[str]


#: Series by whose they are.
LOAD, OWN, CALLERS = "load_requests_total{", "http_requests_total{", "http_client_requests_total{"

ROWS = [
    Row(
        "availability of an entry",
        "gateway",
        {"availability": {"path": "/pay"}},
        [LOAD, 'entry=~"gateway/pay"', 'code=~"5.."', 'code!~"[1-5].."'],
        [OWN, CALLERS],
    ),
    Row(
        "availability of all entries of a service",
        "gateway",
        {"availability": {}},
        ['entry=~"gateway/pay|gateway/v1[.]2/rates"'],
        [OWN, CALLERS, "ledger"],
    ),
    Row(
        "availability of an endpoint that is no entry",
        "gateway",
        {"availability": {"path": "/admin"}},
        [
            'http_requests_total{service="gateway",route="/admin",code=~"5.."}',
            'http_client_requests_total{peer="gateway",route="/admin",code!~"[1-5].."}',
        ],
        [LOAD],
    ),
    Row(
        "availability of a service without entries",
        "ledger",
        {"availability": {}},
        ['http_requests_total{service="ledger"}', 'http_client_requests_total{peer="ledger",code!~"[1-5].."}'],
        [LOAD, "route="],
    ),
    Row(
        "latency of an entry",
        "gateway",
        {"latency": {"path": "/pay", "threshold": "250ms"}},
        ['load_request_duration_seconds_bucket{entry=~"gateway/pay",outcome="answered",le=~"0.25(\\\\.0)?"}', LOAD],
        ["http_request_duration_seconds", CALLERS],
    ),
    Row(
        "latency of a service without entries, whole seconds",
        "ledger",
        {"latency": {"threshold": "1s"}},
        ['http_request_duration_seconds_bucket{service="ledger",le=~"1(\\\\.0)?"}', CALLERS],
        [LOAD, "load_request_duration_seconds"],
    ),
    Row(
        "freshness",
        "settlement",
        {"freshness": {"topic": "payments", "threshold": "5s"}},
        ["message_age_seconds_bucket", 'le=~"5(\\\\.0)?"', "message_age_seconds_count"],
        [LOAD],
    ),
    Row(
        "lag",
        "settlement",
        {"lag": {"topic": "payments", "maxMessages": 200}},
        ['avg_over_time(slo:few_waiting{slo="pay"}[1800s])'],
        ["consumer_lag"],
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_good(row: Row) -> None:
    expression = good_ratio(slo(row.indicator, service=row.service), ENTRIES, "1800s")
    assert [part for part in row.has if part not in expression] == [], expression
    assert [part for part in row.lacks if part in expression] == [], expression
    assert "[1800s]" in expression


def by_name(*slos: Slo) -> dict[str, dict[str, Any]]:
    made = rules(slos, ENTRIES)
    return {rule.get("record") or rule["alert"]: rule for group in made["groups"] for rule in group["rules"]}


def test_the_budget_is_what_the_objective_lets_fail() -> None:
    made = by_name(slo({"availability": {}}, objective=0.999))
    assert made["slo:budget_left"]["expr"].endswith("/ 0.001")
    assert made["slo:burn_rate:1h"]["expr"].endswith("/ 0.001")
    assert made["ErrorBudgetBurn"]["expr"].count("> 14.4") == 2, "only when both windows burn"


def test_a_lag_that_nobody_can_tell_counts_as_bad_once_it_was_seen() -> None:
    made = by_name(slo({"lag": {"topic": "payments", "maxMessages": 200}}, service="settlement"))
    few = made["slo:few_waiting"]
    assert few["labels"] == {"slo": "pay"}
    now, _, before = few["expr"].partition(" or ")
    assert now == '(max(consumer_lag{service="settlement",topic="payments"}) <= bool 200)'
    assert before == '0 * max(slo:few_waiting{slo="pay"})', "its own last value tells that it was seen"
    assert list(made).index("slo:few_waiting") < list(made).index("slo:value")


def test_an_entry_is_called_as_the_load_generator_calls_it() -> None:
    spec = SimulationSpec.model_validate(
        {"clusters": {"names": ["a"]}, "source": {"industry": {"name": "finance"}}, "timeout": "10m"}
    )
    config = load_config(spec)
    plan = make_plan(spec)
    assert [entry["name"] for entry in config["entries"]] == [entry_name(entry) for entry in plan.graph.entries]


@pytest.mark.parametrize(
    ("load", "room"),
    [
        ({"rate": 20}, 500),
        ({"rate": 200, "timeout": "5s", "shape": {"amplitude": 0.5}}, 1500),
        ({"rate": 200, "timeout": "5s", "shape": {"amplitude": 0}, "bursts": {"factor": 3}}, 3000),
        ({"rate": 10000}, 5000),
    ],
    ids=["little load", "the crest of the tide", "a burst", "no more than the memory bears"],
)
def test_there_is_room_for_all_requests_when_none_is_answered(load: dict[str, Any], room: int) -> None:
    spec = SimulationSpec.model_validate(
        {"clusters": {"names": ["a"]}, "source": {"industry": {"name": "finance"}}, "timeout": "10m", "load": load}
    )
    assert load_config(spec)["maxInFlight"] == room


def load_config(spec: SimulationSpec) -> dict[str, Any]:
    images = Images(*("image:1" for _ in range(7)))
    world = build(spec, make_plan(spec), "bank", "bank", images)
    load = next(o for o in world.load if o["kind"] == "Deployment" and o["metadata"]["name"] == "load")
    env = load["spec"]["template"]["spec"]["containers"][0]["env"]
    config: dict[str, Any] = json.loads(next(each["value"] for each in env if each["name"] == "SIM_CONFIG"))
    return config


def test_the_bounds_are_those_of_the_program() -> None:
    source = (REPOSITORY / "images/simulator/internal/metrics/metrics.go").read_text()
    bounds = dict(re.findall(r"var (\w+) = \[\]float64\{(.*)\}", source))
    assert tuple(map(float, bounds["Buckets"].split(","))) == LATENCY_BUCKETS
    assert tuple(map(float, bounds["AgeBuckets"].split(","))) == AGE_BUCKETS


@pytest.mark.parametrize("threshold", ["200ms", "3s", "0s"])
def test_a_threshold_must_be_one_that_can_be_measured(threshold: str) -> None:
    with pytest.raises(ValidationError, match=r"bound of the histogram"):
        slo({"latency": {"threshold": threshold}})


def test_only_pods_of_this_simulation_are_read() -> None:
    config = scrape_config("bank", "bank-ns", timedelta(seconds=15))
    job = config["scrape_configs"][0]
    assert job["kubernetes_sd_configs"][0]["namespaces"]["names"] == ["bank-ns"]
    assert {"bank", "http"} <= {rule.get("regex") for rule in job["relabel_configs"]}
