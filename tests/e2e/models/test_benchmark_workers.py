"""A PerformanceBenchmark whose load is shared by the pods of an Indexed Job, while the metrics API is asked."""

import json

import pytest
from demo import Demo
from model_runs import CONTEXT, RUNNERS, SHOP, Case, Object, Seen, play_all, worker_pods
from model_store import Store

from support.eventually import eventually, never

pytestmark = pytest.mark.e2e

WORKERS, RATE, SECONDS = 2, 40, 40
PODS: Object = {"namespace": SHOP, "matchLabels": {"app": "store"}}


def load(path: str, rate: int, seconds: int, **more: object) -> Case:
    """Two workers at a rate, without a warm-up, so that every request that comes is counted."""
    spec = {
        "target": {"http": {"url": f"http://store.shop:8080/{path}"}},
        "load": {"openLoop": {"rate": rate, "duration": f"{seconds}s"}},
        "warmup": "0s",
        "workers": WORKERS,
        **more,
    }
    return Case("PerformanceBenchmark", spec)


def delete_a_worker(lab: Demo, name: str) -> None:
    """Delete the pod of the second worker once the load is on."""
    store = Store(lab, CONTEXT, SHOP)
    eventually(lambda: store.count("GET /work/0.001"), "the load is on")
    (second,) = worker_pods(lab, name, 1)
    lab.kubectl(CONTEXT, "-n", RUNNERS, "delete", "pod", second["metadata"]["name"], capture=True)


CASES = {
    "fast": load(
        "work", RATE, SECONDS, pods=PODS, thresholds={"maxP95": "5s", "maxMemoryMiB": 200, "minThroughput": 10}
    ),
    "large": load("work/0", 5, 25, pods=PODS, thresholds={"maxMemoryMiB": 1}),
    "slow": load("work/2.5", 8, 15, thresholds={"maxP50": "1s"}),
    "closed": Case(
        "PerformanceBenchmark",
        {
            "target": {"http": {"url": "http://store.shop:8080/work/0.01"}},
            "load": {"closedLoop": {"concurrency": 3, "duration": "10s"}},
            "warmup": "0s",
            "workers": WORKERS,
            "thresholds": {"maxErrorRate": 0.05, "minThroughput": 1},
        },
    ),
    "nobody-there": load("work", 5, 5, target={"http": {"url": "http://absent.shop:8080/"}}),
}
#: Alone, as the pod of its second worker is told from others by its place alone.
DELETED = Case(
    "PerformanceBenchmark", load("work/0.001", 10, 60).spec | {"thresholds": {"maxP95": "5s"}}, delete_a_worker
)


@pytest.fixture(scope="module")
def seen(lab: Demo, store: Store) -> dict[str, Seen]:
    """What came of every case; the one that looks at memory and latency comes by itself."""
    first = play_all(lab, {"fast": CASES["fast"]})
    return first | play_all(lab, {name: case for name, case in CASES.items() if name != "fast"})


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("fast", ("Passed", "WithinLimits")),
        ("closed", ("Passed", "WithinLimits")),
        ("large", ("Failed", "MemoryAboveLimit")),
        ("slow", ("Failed", "LatencyAboveLimit")),
        ("nobody-there", ("Inconclusive", "EndpointUnreachable")),
    ],
)
def test_verdict(name: str, verdict: tuple[str, str], seen: dict[str, Seen]) -> None:
    found = seen[name]
    assert found.verdict == verdict, found.message
    passed = {"Passed": "True", "Failed": "False"}.get(verdict[0], "Unknown")
    assert found.condition("Passed").partition(" ")[0] == passed


@pytest.mark.parametrize(
    ("name", "path"), [("fast", "work"), ("large", "work/0"), ("slow", "work/2.5"), ("closed", "work/0.01")]
)
def test_what_the_workers_have_counted_is_what_came(name: str, path: str, store: Store, seen: dict[str, Seen]) -> None:
    """Both workers were heard, at the same time, and their counts add up to those of the server."""
    (phase,), came = seen[name].report["phases"], store.seen(f"GET /{path}")
    assert seen[name].report["workers"] == WORKERS
    assert phase["requests"] == phase["answered"] == came["count"]
    spans = sorted(came["clients"].values())
    assert len(spans) == WORKERS
    assert spans[1][0] < spans[0][1], "the second begins before the first ends"


def test_the_rate_is_that_of_all_workers_together(seen: dict[str, Seen]) -> None:
    (phase,) = seen["fast"].report["phases"]
    # The number of arrivals is Poisson's: six standard deviations are never.
    assert abs(phase["requests"] - RATE * SECONDS) < 6 * (RATE * SECONDS) ** 0.5


def test_workers_are_ready_and_hand_in_what_they_counted(seen: dict[str, Seen]) -> None:
    found = seen["fast"]
    assert found.parts == ["part-1", "ready-0", "ready-1"]
    assert found.job["spec"]["completionMode"] == "Indexed"
    assert found.job["spec"]["backoffLimit"] == 0
    assert found.job["status"]["succeeded"] == WORKERS


def test_memory_and_processor_are_those_of_the_metrics_api(lab: Demo, seen: dict[str, Seen]) -> None:
    usage = seen["fast"].report["pods"]
    assert usage["samples"] >= 1, usage
    assert usage["pods"] == 1
    measured = seen["fast"].measured
    raw = lab.kubectl(CONTEXT, "get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{SHOP}/pods", capture=True)
    (told,) = [box["usage"]["memory"] for item in json.loads(raw)["items"] for box in item["containers"]]
    mebibytes = int(told.removesuffix("Ki")) / 1024
    assert mebibytes / 4 < measured["memory"]["value"] < mebibytes * 4
    assert 0 < measured["cpu"]["value"] < 64


def test_a_worker_that_is_deleted_ends_the_load_of_the_other(lab: Demo, store: Store) -> None:
    """One that comes again would measure alone, so none does: an error, and nobody who goes on."""
    found = play_all(lab, {"worker-deleted": DELETED})["worker-deleted"]
    assert found.verdict == ("Error", "RunnerFailed"), found.message
    assert found.condition("Passed").partition(" ")[0] == "Unknown"
    count = store.count("GET /work/0.001")
    never(lambda: store.count("GET /work/0.001") != count, "a request after the end", during=5)
