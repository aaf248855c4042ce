"""The small bank: it lives, its inner faults do what they should, it changes in place, and it goes without a trace."""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from demo import Demo
from sim_support import Built, traces

from support.eventually import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def before(lab: Demo) -> dict[str, object]:
    """What the target held before."""
    return traces(lab, "finance")


@pytest.fixture(scope="module")
def bank(lab: Demo, before: dict[str, object]) -> Iterator[Built]:
    """The small bank, standing."""
    built = Built(lab, "bank", "finance", source={"industry": {"name": "finance", "size": "Small"}})
    try:
        status = built.apply()
        assert status["verdict"] == "Passed", status["message"]
        yield built
    finally:
        built.delete()


def test_it_lives(bank: Built) -> None:
    """Every service is ready and called, load is answered, the books agree, and status tells of it."""
    status = bank.read()["status"]
    measured = {m["name"]: m for m in status["clusters"][0]["measurements"]}
    assert measured["requests answered"]["value"] >= 0.95
    assert measured["ledger imbalance"]["value"] == 0
    used = "count by (service) (http_requests_total > 0) or count by (service) (messages_consumed_total > 0)"
    bank.until(f"count({used})", lambda n: n >= 12, "all but the fraud model's cases and the reconciliation are used")
    eventually(lambda: bank.read()["status"].get("services") == "14/14", "status shows all services")
    eventually(lambda: bank.read()["status"].get("rate", "").endswith("/s"), "status shows the rate", within=180)
    eventually(lambda: bank.read()["status"].get("slos") == "5/5", "status shows all objectives met", within=300)
    bank.until('sum(messages_consumed_total{service="settlement",outcome="ok"})', lambda n: n > 20, "payments settle")


@dataclass(frozen=True)
class Fault:
    """A flag, and what must be seen of it that was not there before."""

    service: str
    flag: str
    value: float
    shows: str
    at_least: float


def rate(metric: str, **match: str) -> str:
    """Per second, over half a minute."""
    chosen = ",".join(f'{name}="{value}"' for name, value in match.items())
    return f"sum(rate({metric}{{{chosen}}}[30s]))"


def mean(histogram: str, service: str) -> str:
    """Of a histogram, over half a minute."""
    return f"{rate(f'{histogram}_sum', service=service)} / {rate(f'{histogram}_count', service=service)}"


_READS = {"service": "fx-rates"}
MISSES = f"{rate('cache_requests_total', outcome='miss', **_READS)} / {rate('cache_requests_total', **_READS)}"
#: Each on a service of its own, so that all can be on at once and still be told apart.
FAULTS = (
    Fault("fraud-model", "slow", 0.3, mean("http_request_duration_seconds", "fraud-model"), 0.2),
    Fault("settlement", "queueProblems", 5.0, 'max(consumer_lag{service="settlement",topic="payments"})', 40),
    Fault("notifications", "logStorm", 200, rate("log_lines_total", service="notifications"), 150),
    Fault("limits", "highCpu", 0.3, rate("process_cpu_seconds_total", service="limits"), 0.15),
    Fault("audit-archive", "auditFlood", 50, rate("audit_events_total", service="audit-archive"), 40),
    Fault("fx-rates", "cacheFailure", 0.9, MISSES, 0.6),
    Fault("load", "floodEntry", 2, rate("load_requests_total"), 14),
)
#: What stops traffic or pods comes by itself.
HARD = (
    Fault("gateway", "throttle", 2, rate("http_requests_total", service="gateway", code="429"), 1),
    Fault("fraud-cases", "memoryLeak", 3, 'max(process_resident_memory_bytes{service="fraud-cases"})', 40e6),
)


@pytest.mark.parametrize("faults", [FAULTS, HARD], ids=["together", "hard"])
def test_each_inner_fault_shows_where_it_should(bank: Built, faults: tuple[Fault, ...]) -> None:
    for fault in faults:
        quiet = f"({fault.shows}) or vector(0)"
        # A cache is cold at first, and an autoscaler's new pod has a cold one as well.
        bank.until(quiet, partial(operator.gt, fault.at_least), f"{fault.flag} does not show before it is on")
    with bank.flagged(*({"service": f.service, "name": f.flag, "value": f.value} for f in faults)):
        for fault in faults:
            shown = partial(operator.le, fault.at_least)
            bank.until(fault.shows, shown, f"{fault.flag} on {fault.service} shows")
        if any(fault.flag == "memoryLeak" for fault in faults):
            eventually(lambda: "OOMKilled" in last_ends(bank, "fraud-cases"), "it is killed for memory", within=120)


def last_ends(bank: Built, service: str) -> set[str]:
    """Why containers of a service ended last."""
    statuses = [s for pod in bank.objects("pods", "-l", f"app={service}") for s in pod["status"]["containerStatuses"]]
    return {s["lastState"].get("terminated", {}).get("reason", "") for s in statuses}


def test_a_stale_config_keeps_one_service_behind(bank: Built) -> None:
    """The settings of all but one move on."""
    bank.until("min(settings_version)", lambda n: n == 1, "all begin with the first version")
    with bank.flagged({"service": "fees", "name": "staleConfig", "value": 1}):
        bank.apply(settings={"version": "2"})
        bank.until('max(settings_version{service="limits"})', lambda n: n == 2, "others follow")
        assert bank.value('max(settings_version{service="fees"})') == 1
    bank.until('max(settings_version{service="fees"})', lambda n: n == 2, "it follows when the flag is off")


def test_a_change_in_place_rolls_only_what_changed(bank: Built) -> None:
    pods = bank.revisions()
    status = bank.apply(overrides=[{"service": "accounts", "resources": {"limits": {"memory": "80Mi"}}}])
    assert "0 made, 1 rolled, 0 objects removed" in status["message"]
    after = bank.revisions()
    assert {name for name in pods if pods[name] != after.get(name)} == {"accounts"}


def test_a_graph_that_is_wrong_is_refused_with_the_place_and_nothing_is_touched(bank: Built, lab: Demo) -> None:
    pods = bank.revisions()
    good = {"industry": {"name": "finance", "size": "Small"}}
    ring = {
        "services": [
            {"name": "a", "endpoints": [{"path": "/x", "script": [{"call": {"service": "b"}}]}]},
            {"name": "b", "endpoints": [{"path": "/x", "script": [{"call": {"service": "a"}}]}]},
        ],
        "entries": [{"service": "a", "path": "/x"}],
    }
    status = bank.apply(source={"graph": ring}, overrides=[])
    assert (status["verdict"], status["clusters"][0]["reason"]) == ("Error", "InvalidSpec")
    assert "a -> b -> a" in status["message"]
    assert bank.revisions() == pods
    assert bank.apply(source=good)["verdict"] == "Passed"


def test_it_goes_without_a_trace(bank: Built, lab: Demo, before: dict[str, object]) -> None:
    """The last of this module."""
    bank.delete()
    eventually(lambda: traces(lab, "finance") == before, "nothing is left", also=lambda: traces(lab, "finance"))
