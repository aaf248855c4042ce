"""Watches that break, fall silent or leave something out: nothing is lost, and what can not be known is told.

The operator of this module takes a watch for dead after five seconds of silence instead of 75, so that the tests need
not wait for a minute; all else is as it is in a cluster.
"""

from collections.abc import Iterator

import pytest

from support.builders import chaos, drift
from support.eventually import eventually, never
from support.faultproxy import Answer, Silence, on_watch
from support.operator_process import OperatorProcess
from support.stand_in import counted
from support.subject import Subject
from support.world import World

pytestmark = pytest.mark.integration

SILENCE = 5


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[OperatorProcess]:
    """An operator that loses patience with silent watches soon."""
    with world.running(FIREDRILL_WATCH_SILENCE_SECONDS=str(SILENCE)) as running:
        world.until_reachable()
        yield running


def passes(subject: Subject) -> None:
    """It runs, and passes, once."""
    assert subject.until_run(within=200)["verdict"] == "Passed"
    assert len(subject.runs()) == 1


@pytest.mark.parametrize("how", ["gone", "truncated", "cut"])
@pytest.mark.parametrize("where", ["hub", "finance"])
def test_a_watch_that_breaks_loses_nothing(how: str, where: str, world: World, operator: OperatorProcess) -> None:
    proxy = next(proxy for proxy in world.proxies() if proxy.name == where)
    subject = world.subject(chaos("broken"))
    world.places["finance"].stand_in.part(subject.key, hold=2)
    eventually(lambda: proxy.watches(), "watches are open")
    assert proxy.break_watches(how)
    subject.create()
    eventually(lambda: world.markers(subject), "the fault is on")
    eventually(lambda: proxy.watches(), "watches are open again")
    assert proxy.break_watches(how)
    passes(subject)
    assert counted(world.tallies(subject))["injected"] == 1


def test_watches_that_are_refused_for_a_while(world: World, operator: OperatorProcess) -> None:
    proxy = world.places["finance"].proxy
    with proxy.fault(Answer(410, "Expired"), on_watch(), times=6) as fault:
        proxy.break_watches("cut")
        eventually(lambda: fault.hits >= 3, "watches are refused")
        subject = world.subject(chaos("refused")).create()
        passes(subject)
    eventually(lambda: proxy.watches() >= 2, "watches are open again")


@pytest.mark.parametrize("behind", ["jobs", "configmaps"])
def test_a_watch_that_is_behind_the_other_loses_no_job_and_no_result(
    behind: str, world: World, operator: OperatorProcess
) -> None:
    """What one watch shows seems to lack what only the other one would show."""
    proxy = world.places["finance"].proxy
    with proxy.fault(Answer(410, "Expired"), on_watch(behind)) as fault:
        proxy.break_watches("cut")
        eventually(lambda: fault.hits >= 7, "the next list is 15 seconds away")
        for subject in [world.subject(made("behind")).create() for made in (chaos, drift)]:
            passes(subject)
            assert counted(world.tallies(subject))["injected"] == 1


def test_a_silent_watch_of_a_target_is_noticed(world: World, operator: OperatorProcess) -> None:
    """Connections stand and say nothing, bookmarks included; requests are answered."""
    proxy = world.places["finance"].proxy
    with proxy.fault(Silence(), on_watch()):
        subject = world.subject(chaos("unheard")).create()
        passes(subject)
        assert operator.ready() == "ok", "one dead target is no reason"


def test_events_that_are_left_out_are_found_by_the_resync(world: World, operator: OperatorProcess) -> None:
    """The hub's watches deliver bookmarks alone: the connection looks alive."""
    with world.proxy.fault(Silence(bookmarks=True), on_watch()):
        created = world.subject(drift("unseen")).create()
        passes(created)
        created.annotate(run_at="now")
        assert created.until_run(2, within=200)["lastRun"]["trigger"] == "RunAt:now"


def test_a_deletion_that_was_left_out_is_found_by_the_resync(world: World, operator: OperatorProcess) -> None:
    subject = world.subject(drift("unseen")).create()
    passes(subject)
    with world.proxy.fault(Silence(bookmarks=True), on_watch()):
        subject.delete()
        subject.until_gone()
        eventually(lambda: not world.leftovers(subject), "what it left is removed")
        name, namespace = subject.key.split("/")[1], subject.key.split("/")[0]
        eventually(
            lambda: not [m for m in operator.metrics() if f'name="{name}",namespace="{namespace}"' in m],
            "it is in no metric any more",
        )


def test_a_dead_watch_of_the_hub_is_no_readiness_and_a_live_one_is(world: World, operator: OperatorProcess) -> None:
    subject = world.subject(drift("behind")).create()
    passes(subject)
    with world.proxy.fault(Silence(), on_watch()):
        subject.annotate(something="new")
        eventually(lambda: "the watch of the hub has not delivered" in operator.ready(), "it says that it is not ready")
    eventually(lambda: operator.ready() == "ok", "it is ready again", within=120)


def test_one_dead_target_is_no_reason_not_to_be_ready(world: World, operator: OperatorProcess) -> None:
    place = world.place()
    world.until_reachable(place.name)
    with place.proxy.unreachable():
        world.until_reachable(place.name, reachable=False)
        never(lambda: operator.ready() != "ok", "it is not ready for one dead target", during=2)
        assert operator.metrics()[f'firedrill_target_reachable{{cluster="{place.name}"}}'] == 0
    world.until_reachable(place.name)
    assert operator.metrics()[f'firedrill_target_reachable{{cluster="{place.name}"}}'] == 1


def test_metrics_tell_of_runs_requests_and_the_queue(world: World, operator: OperatorProcess) -> None:
    subject = world.subject(chaos("measured")).create()
    passes(subject)
    namespace, name = subject.key.split("/")
    labels = f'kind="ChaosExperiment",name="{name}",namespace="{namespace}"'
    eventually(lambda: operator.metrics().get(f"firedrill_last_score{{{labels}}}") == 100, "its score")
    found = operator.metrics()
    assert found[f'firedrill_last_verdict{{{labels},verdict="Passed"}}'] == 1
    assert found[f"firedrill_unsettled_targets{{{labels}}}"] == 0
    assert found['firedrill_runs_total{cluster="finance",kind="ChaosExperiment",verdict="Passed"}'] >= 1
    assert found['firedrill_run_duration_seconds_count{kind="ChaosExperiment"}'] >= 1
    assert found['firedrill_api_requests_total{cluster="finance",code="201",verb="POST"}'] >= 3
    assert found["firedrill_queue_depth"] >= 0
    assert found["firedrill_queue_oldest_key_seconds"] >= 0
    assert found["firedrill_retries_total"] >= 0
    subject.delete()
    subject.until_gone()
    eventually(lambda: not [m for m in operator.metrics() if labels in m], "a resource that is gone is in no metric")
