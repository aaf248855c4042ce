"""Service level objectives as rules that Prometheus evaluates.

Error budgets and burn rates as in the Site Reliability Workbook, chapter 5: a budget is what an objective lets fail
in its window, and a burn rate of 1 spends it exactly by the window's end.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from firedrill.api.simulation import Slo
from firedrill.simulation.multiplexing import SHARED_PORT

#: A page is due when two per cent of a month's budget are spent in an hour.
_PAGE_BURN = 14.4
_LONG, _SHORT = "1h", "5m"

VALUE = "slo:value"
BUDGET = "slo:budget_left"
RATE = "simulation:request_rate"
ERRORS = "simulation:error_ratio"


def rules(slos: Sequence[Slo]) -> dict[str, Any]:
    """The rule file."""
    groups = [
        {
            "name": "simulation",
            "rules": [
                {"record": RATE, "expr": "sum(rate(load_requests_total[1m]))"},
                {
                    "record": ERRORS,
                    "expr": '(sum(rate(load_requests_total{code!~"[234].."}[1m])) or vector(0))'
                    " / sum(rate(load_requests_total[1m]))",
                },
            ],
        }
    ]
    if slos:
        groups.append({"name": "objectives", "rules": [rule for slo in slos for rule in _rules(slo)]})
    return {"groups": groups}


def _rules(slo: Slo) -> list[dict[str, Any]]:
    labels = {"slo": slo.name}
    bad = f"(1 - {{ratio}}) / {1 - slo.objective:.6g}"
    burn = {window: f"slo:burn_rate:{window}" for window in (_SHORT, _LONG)}
    made: list[dict[str, Any]] = [
        {"record": VALUE, "labels": labels, "expr": good_ratio(slo, _text(slo.window))},
        {
            "record": BUDGET,
            "labels": labels,
            "expr": f"1 - {bad.format(ratio=good_ratio(slo, _text(slo.window)))}",
        },
    ]
    made += [
        {"record": name, "labels": labels, "expr": bad.format(ratio=good_ratio(slo, window))}
        for window, name in burn.items()
    ]
    fast = " and ".join(f'{name}{{slo="{slo.name}"}} > {_PAGE_BURN}' for name in burn.values())
    made.append(
        {
            "alert": "ErrorBudgetBurn",
            "expr": fast,
            "labels": {**labels, "severity": "page"},
            "annotations": {"summary": f"{slo.name} burns its error budget {_PAGE_BURN:g} times too fast"},
        }
    )
    return made


def good_ratio(slo: Slo, window: str) -> str:
    """Share of good events in a window, as PromQL; without events there is no value."""
    indicator, service = slo.indicator, slo.service
    if indicator.availability:
        match = _match(service=service, route=indicator.availability.path)
        bad = f'sum(increase(http_requests_total{{{match},code=~"5.."}}[{window}]))'
        return f"(1 - ({bad} or vector(0)) / (sum(increase(http_requests_total{{{match}}}[{window}])) > 0))"
    if indicator.latency:
        match = _match(service=service, route=indicator.latency.path)
        return _below("http_request_duration_seconds", match, indicator.latency.threshold, window)
    if indicator.freshness:
        match = _match(service=service, topic=indicator.freshness.topic)
        return _below("message_age_seconds", match, indicator.freshness.threshold, window)
    assert indicator.lag is not None  # the model lets no empty indicator pass
    match = _match(service=service, topic=indicator.lag.topic)
    few = f"max(consumer_lag{{{match}}}) <= bool {indicator.lag.max_messages}"
    return f"avg_over_time(({few})[{window}:15s])"


def _below(histogram: str, match: str, threshold: timedelta, window: str) -> str:
    # Prometheus 3 writes whole bounds as 5.0, earlier ones as they come.
    bound = f"{threshold.total_seconds():g}(\\\\.0)?"
    good = f'sum(increase({histogram}_bucket{{{match},le=~"{bound}"}}[{window}]))'
    return f"({good} / (sum(increase({histogram}_count{{{match}}}[{window}])) > 0))"


def _match(**wanted: str | None) -> str:
    return ",".join(f'{name}="{value}"' for name, value in wanted.items() if value)


def _text(window: timedelta) -> str:
    return f"{int(window.total_seconds())}s"


def scrape_config(simulation: str, namespace: str, interval: timedelta) -> Mapping[str, Any]:
    """What Prometheus reads: every pod of the simulation that has a port called http.

    The services that one process serves for tell themselves whose their metrics are.
    """
    return {
        "global": {
            "scrape_interval": _text(interval),
            "evaluation_interval": _text(interval),
            "external_labels": {"simulation": simulation},
        },
        "rule_files": ["/etc/prometheus/rules.yaml"],
        "scrape_configs": [
            _job("services", simulation, namespace, "http"),
            {**_job("shared", simulation, namespace, SHARED_PORT), "honor_labels": True},
        ],
    }


def _job(name: str, simulation: str, namespace: str, port_name: str) -> Mapping[str, Any]:
    pod = "__meta_kubernetes_pod"
    return {
        "job_name": name,
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [namespace]}}],
        "relabel_configs": [
            {"source_labels": [f"{pod}_label_app_kubernetes_io_part_of"], "regex": simulation, "action": "keep"},
            {"source_labels": [f"{pod}_container_port_name"], "regex": port_name, "action": "keep"},
            {"source_labels": [f"{pod}_label_app"], "target_label": "service"},
            {"source_labels": [f"{pod}_name"], "target_label": "pod"},
            {"source_labels": [f"{pod}_node_name"], "target_label": "node"},
        ],
    }
