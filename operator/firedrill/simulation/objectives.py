"""Service level objectives as rules that Prometheus evaluates.

Error budgets and burn rates as in the Site Reliability Workbook, chapter 5: a budget is what an objective lets fail
in its window, and a burn rate of 1 spends it exactly by the window's end.

A request counts where it is made, not only where it is answered: who is dead or cut off counts nothing of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from firedrill.api.objective import Slo
from firedrill.api.servicegraph import Entry
from firedrill.simulation.multiplexing import SHARED_PORT

#: A page is due when two per cent of a month's budget are spent in an hour.
_PAGE_BURN = 14.4
_LONG, _SHORT = "1h", "5m"

VALUE = "slo:value"
BUDGET = "slo:budget_left"
RATE = "simulation:request_rate"
ERRORS = "simulation:error_ratio"
#: 1 at a moment at which few enough messages wait, else 0.
FEW_WAITING = "slo:few_waiting"

#: Codes of requests that no status came for, such as timeout and unreachable.
_UNANSWERED = 'code!~"[1-5].."'


def entry_name(entry: Entry) -> str:
    """What the load generator calls an entry, in the label ``entry``."""
    return f"{entry.service}{entry.path}"


def rules(slos: Sequence[Slo], entries: Sequence[Entry]) -> dict[str, Any]:
    """The rule file for the objectives of a graph with these entries."""
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
        groups.append({"name": "objectives", "rules": [rule for slo in slos for rule in _rules(slo, entries)]})
    return {"groups": groups}


def _rules(slo: Slo, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    labels = {"slo": slo.name}
    bad = f"(1 - {{ratio}}) / {1 - slo.objective:.6g}"
    burn = {window: f"slo:burn_rate:{window}" for window in (_SHORT, _LONG)}
    whole = good_ratio(slo, entries, _text(slo.window))
    made: list[dict[str, Any]] = []
    if slo.indicator.lag:
        made.append({"record": FEW_WAITING, "labels": labels, "expr": _few_waiting(slo)})
    made += [
        {"record": VALUE, "labels": labels, "expr": whole},
        {"record": BUDGET, "labels": labels, "expr": f"1 - {bad.format(ratio=whole)}"},
    ]
    made += [
        {"record": name, "labels": labels, "expr": bad.format(ratio=good_ratio(slo, entries, window))}
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


def good_ratio(slo: Slo, entries: Sequence[Entry], window: str) -> str:
    """Share of good events in a window, as PromQL; without events there is no value."""
    indicator = slo.indicator
    if indicator.availability:
        return _available(_Requests.of(slo.service, indicator.availability.path, entries), window)
    if indicator.latency:
        requests = _Requests.of(slo.service, indicator.latency.path, entries)
        return _fast(requests, indicator.latency.threshold, window)
    if indicator.freshness:
        match = _match(service=slo.service, topic=indicator.freshness.topic)
        within = _bucket("message_age_seconds", match, indicator.freshness.threshold)
        return f"({_sum(within, window)} / ({_sum(f'message_age_seconds_count{{{match}}}', window)} > 0))"
    return f'avg_over_time({FEW_WAITING}{{slo="{slo.name}"}}[{window}])'


@dataclass(frozen=True)
class _Requests:
    """Series that count the requests of an objective, as selectors."""

    answered: str
    failed: str
    lost: str
    """Requests that got no answer."""
    durations: str
    """Labels of the durations of answers."""
    histogram: str

    @classmethod
    def of(cls, service: str, path: str | None, entries: Sequence[Entry]) -> "_Requests":
        """As the load generator sees them where they are entries, else as the service and its callers do."""
        own = {entry_name(entry) for entry in entries if entry.service == service and path in (None, entry.path)}
        if own:
            match = f'entry=~"{"|".join(name.replace(".", "[.]") for name in sorted(own))}"'
            seen = f"load_requests_total{{{match},"
            return cls(
                answered=f'{seen}code=~"[1-5].."}}',
                failed=f'{seen}code=~"5.."}}',
                lost=f"{seen}{_UNANSWERED}}}",
                durations=f'{match},outcome="answered"',
                histogram="load_request_duration_seconds",
            )
        match = _match(service=service, route=path)
        return cls(
            answered=f"http_requests_total{{{match}}}",
            failed=f'http_requests_total{{{match},code=~"5.."}}',
            lost=f"http_client_requests_total{{{_match(peer=service, route=path)},{_UNANSWERED}}}",
            durations=match,
            histogram="http_request_duration_seconds",
        )


def _available(requests: _Requests, window: str) -> str:
    failed, lost = _or_none(_sum(requests.failed, window)), _or_none(_sum(requests.lost, window))
    answered = _or_none(_sum(requests.answered, window))
    return f"(1 - ({failed} + {lost}) / ({answered} + {lost} > 0))"


def _fast(requests: _Requests, threshold: timedelta, window: str) -> str:
    fast = _or_none(_sum(_bucket(requests.histogram, requests.durations, threshold), window))
    answered = _or_none(_sum(f"{requests.histogram}_count{{{requests.durations}}}", window))
    return f"({fast} / ({answered} + {_or_none(_sum(requests.lost, window))} > 0))"


def _few_waiting(slo: Slo) -> str:
    # A consumer that is gone, or cut off from its broker, shows no lag. From the moment that one was seen first, the
    # rule's own last value stands in for it, as 0; before, the simulation is still starting.
    assert slo.indicator.lag is not None
    match = _match(service=slo.service, topic=slo.indicator.lag.topic)
    few = f"max(consumer_lag{{{match}}}) <= bool {slo.indicator.lag.max_messages}"
    return f'({few}) or 0 * max({FEW_WAITING}{{slo="{slo.name}"}})'


def _sum(selector: str, window: str) -> str:
    return f"sum(increase({selector}[{window}]))"


def _or_none(expression: str) -> str:
    return f"({expression} or vector(0))"


def _bucket(histogram: str, match: str, threshold: timedelta) -> str:
    # Prometheus 3 writes whole bounds as 5.0, earlier ones as they come.
    return f'{histogram}_bucket{{{match},le=~"{threshold.total_seconds():g}(\\\\.0)?"}}'


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
