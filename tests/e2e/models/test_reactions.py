"""What a DriftCheck starts in the cluster when data has drifted: once, and not again while it cools down."""

import json
from collections.abc import Iterator

import pytest
from demo import HUB, NAMESPACE, Demo
from model_runs import PIPELINES, RUNNERS, Case, Object, Seen, delete, in_target, over, play_all, run
from model_store import UNLABELLED, Store
from model_tables import SHIFT, csv, parquet, payments

from support.eventually import eventually

pytestmark = pytest.mark.e2e

KIND = "DriftCheck"


def check(current: str, cron_job: str = "whole", cooldown: str = "24h", workers: int = 2) -> Case:
    """A check that starts a pipeline on drift."""
    action = {"job": {"namespace": PIPELINES, "cronJob": cron_job}}
    spec = {
        "reference": _file("then.parquet"),
        "current": _file(current),
        "scale": {"workers": workers},
        "onDrift": {"cooldown": cooldown, "actions": [action]},
    }
    return Case(KIND, spec)


def _file(name: str) -> Object:
    return {"http": {"url": f"http://store.shop:8080/files/{name}", "format": "parquet"}}


CASES = {
    "drift-steady": check("now.parquet"),
    "drift-unlabelled": check("moved.parquet", UNLABELLED),
}


@pytest.fixture(scope="module")
def tables(store: Store) -> None:
    """What the checks compare, and what the pipeline reads."""
    store.put("then.parquet", parquet(payments(31)))
    store.put("now.parquet", parquet(payments(32)))
    store.put("moved.parquet", parquet(payments(33, shift=SHIFT)))
    store.put("raw.csv", csv(payments(34, 300)))


@pytest.fixture(scope="module")
def seen(lab: Demo, tables: None) -> dict[str, Seen]:
    """What came of checks that start nothing."""
    return play_all(lab, CASES)


@pytest.fixture(scope="module")
def thrice(lab: Demo, store: Store, tables: None) -> Iterator[tuple[list[Seen], list[int]]]:
    """Three runs that find drift, the third one after the cool-down of none, and how often the pipeline has written."""
    before, found, written = store.count("PUT /files/whole.csv"), [], []
    for name, again, cooldown in (("drifted", "", "24h"), ("drifted", "once-more", "24h"), ("drifted-hot", "", "0s")):
        found.append(run(lab, name, check("moved.parquet", cooldown=cooldown), again=again))
        eventually(lambda: all(map(over, _started(lab))), "what was started is over")
        written.append(store.count("PUT /files/whole.csv") - before)
    found.append(run(lab, "drifted-hot", check("moved.parquet", cooldown="0s"), again="once-more"))
    eventually(lambda: all(map(over, _started(lab))), "what was started is over")
    written.append(store.count("PUT /files/whole.csv") - before)
    yield found, written
    for name in ("drifted", "drifted-hot"):
        delete(lab, name, KIND)


def _started(lab: Demo) -> list[Object]:
    """Jobs of the pipelines that carry the mark of a DriftCheck."""
    jobs = in_target(lab, PIPELINES, "jobs", "firedrill.dev/managed=true")
    return [job for job in jobs if job["metadata"]["annotations"]["firedrill.dev/resource"].startswith(f"{KIND}/")]


def test_nothing_is_started_without_drift(seen: dict[str, Seen]) -> None:
    assert seen["drift-steady"].verdict == ("Passed", "NoDrift"), seen["drift-steady"].message
    assert seen["drift-steady"].condition("Reacted") == "False NotDrifted"


def test_what_is_not_meant_for_us_is_not_started_and_the_verdict_stays(seen: dict[str, Seen]) -> None:
    assert seen["drift-unlabelled"].verdict == ("Failed", "DriftDetected"), seen["drift-unlabelled"].message
    assert seen["drift-unlabelled"].condition("Reacted") == "False ActionFailed"


def test_it_is_started_once_and_cools_down(thrice: tuple[list[Seen], list[int]]) -> None:
    found, written = thrice
    assert [each.verdict for each in found] == [("Failed", "DriftDetected")] * 4
    reacted = [each.condition("Reacted") for each in found]
    assert reacted == ["True Started", "False CoolingDown", "True Started", "True Started"]
    assert written == [1, 1, 2, 3], "what the store saw of it"


def test_each_start_is_a_job_that_succeeds(lab: Demo, thrice: tuple[list[Seen], list[int]]) -> None:
    jobs = _started(lab)
    runs = [each.status["lastRun"]["id"] for each in thrice[0]]
    assert sorted(job["metadata"]["labels"]["firedrill.dev/run"] for job in jobs) == sorted([runs[0], *runs[2:]])
    assert [job["status"]["succeeded"] for job in jobs] == [1, 1, 1]
    assert all("firedrill.dev/uid" not in job["metadata"]["labels"] for job in jobs), "no run's own"


def test_people_are_told_by_events(lab: Demo, thrice: tuple[list[Seen], list[int]]) -> None:
    assert thrice
    listed = json.loads(lab.kubectl(HUB, "-n", NAMESPACE, "get", "events.events.k8s.io", "-o", "json", capture=True))
    told = [e for e in listed["items"] if e["reason"] == "OnDriftStarted" and e["regarding"]["name"] == "drifted"]
    assert len(told) == 1
    assert f"Job from CronJob {PIPELINES}/whole: started" in told[0]["note"]


def test_what_is_remembered_goes_with_the_resource_and_what_was_started_stays(
    lab: Demo, thrice: tuple[list[Seen], list[int]]
) -> None:
    assert thrice
    before = [job["metadata"]["name"] for job in _started(lab)]
    assert _notes(lab)
    for name in ("drifted", "drifted-hot"):
        delete(lab, name, KIND)
    eventually(lambda: not _notes(lab), "the notes go with the resource")
    assert [job["metadata"]["name"] for job in _started(lab)] == before


def _notes(lab: Demo) -> list[Object]:
    return in_target(lab, RUNNERS, "configmaps", "firedrill.dev/role=reaction")
