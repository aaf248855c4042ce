"""Runs on rollouts: what is one, what starts a run where, and what can hold it up without losing it."""

from datetime import timedelta
from typing import Any

import pytest

from firedrill.api.kinds import CHAOS_EXPERIMENT, DRIFT_CHECK, SIMULATION, RunKind
from firedrill.api.verdict import Verdict
from firedrill.core import rollouts
from firedrill.core.actions import WriteStatus
from firedrill.core.requester import Requester
from firedrill.core.rollouts import watched
from firedrill.core.workload import Blind
from support.rollouts import GATEWAY, Life

TOOLKIT = {"chaosToolkit": {"configMap": {"name": "experiment", "key": "a.json"}}}


def waiting(kind: RunKind = DRIFT_CHECK, *targets: str, **spec: Any) -> Life:
    """A resource that has seen template A in all of its targets, and waits."""
    life = Life(kind, *targets, **spec).shows("A").passes()
    assert life.runs == []
    return life


# -- what is a rollout ----------------------------------------------------------------------------------------------


def test_the_first_sight_is_no_rollout() -> None:
    life = waiting()
    assert life.told() == ("True", "Watched")
    assert life.condition("Complete").reason == "AwaitingRollout"  # type: ignore[union-attr]
    assert [(e.cluster, e.template, e.new_template) for e in life.status.rollouts] == [("finance", "A", "")]
    writes = life.writes()
    life.later(3600).passes()
    assert life.writes() == writes, "idle costs no writes"


def test_a_first_sight_in_the_middle_of_a_rollout_is_none_either() -> None:
    life = Life().shows("A", complete=False).passes().shows("A").passes()
    assert life.runs == []
    life.shows("B").passes()
    assert len(life.runs) == 1


def test_what_its_controller_has_not_taken_in_is_not_seen_yet() -> None:
    life = Life().shows("B", revision="of A", current=False, complete=False).passes()
    assert life.status.rollouts == []


def test_a_new_template_that_is_complete_starts_one_run() -> None:
    life = waiting()
    life.shows("B", complete=False).passes()
    assert life.runs == []
    life.shows("B").passes()
    assert life.runs == [("Rollout:finance=B", ("finance",))]
    life.ends().later(3600).passes()
    assert len(life.runs) == 1
    assert [(e.template, e.new_template) for e in life.status.rollouts] == [("B", "")]


def test_a_rollback_is_a_rollout() -> None:
    life = waiting().shows("B").passes().ends()
    life.shows("A").passes()
    assert [trigger for trigger, _ in life.runs] == ["Rollout:finance=B", "Rollout:finance=A"]


def test_a_rollout_that_is_taken_back_before_it_was_complete_is_none() -> None:
    life = waiting().shows("B", complete=False).passes().shows("A", revision="another").passes()
    assert life.runs == []


@pytest.mark.parametrize("more", [{"complete": False}, {}], ids=["growing", "grown"])
def test_scaling_is_no_rollout(more: dict[str, Any]) -> None:
    assert waiting().shows("A", **more).passes().runs == []


def test_fields_that_a_newer_api_server_fills_in_are_no_rollout() -> None:
    life = waiting()
    known = life.status.rollouts[0].revision
    life.shows("A-as-of-v1.40", revision=known).passes()
    assert life.runs == []
    life.shows("A-as-of-v1.40", revision="counted on").passes()
    assert life.runs == []


def test_a_fault_of_ours_in_the_template_is_no_rollout_nor_is_its_undoing() -> None:
    life = waiting()
    life.shows("A-broken", faulted="run1").passes()
    assert life.told() == ("True", "UnderFault")
    life.shows("A", revision="third").passes()
    assert (life.runs, life.told()) == ([], ("True", "Watched"))


def test_a_rollout_under_a_fault_counts_when_the_fault_is_gone() -> None:
    life = waiting().shows("B-broken", faulted="run1").passes()
    assert life.shows("B").passes().runs == [("Rollout:finance=B", ("finance",))]


def test_another_workload_or_another_cluster_is_seen_for_the_first_time() -> None:
    life = waiting()
    life.spec["onRollout"] = {**GATEWAY, "name": "ledger"}
    assert life.shows("L").passes().runs == []
    life.cluster_uids["finance"] = "another"
    assert life.shows("M").passes().runs == []
    assert life.shows("N").passes().runs == [("Rollout:finance=N", ("finance",))]


def test_a_target_that_is_connected_to_anew_is_remembered() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot", clusters={"matchLabels": {}, "names": ["finance", "iot"]})
    life.gone.add("iot")
    life.shows("A2", "finance").passes().ends()
    life.gone.clear()
    life.shows("B", "iot").passes()
    assert [names for _, names in life.runs] == [("finance",), ("iot",)]


# -- where, and when ------------------------------------------------------------------------------------------------


def test_it_runs_where_it_was_rolled_out_and_nowhere_else() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot")
    life.shows("B", "iot").passes()
    assert life.runs == [("Rollout:iot=B", ("iot",))]
    assert life.status.cluster_summary == "0/1"


def test_rollouts_in_two_targets_at_once_are_one_run() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot").shows("B").passes()
    assert life.runs == [("Rollout:finance=B,iot=B", ("finance", "iot"))]


def test_a_name_that_no_target_cluster_has_does_not_keep_it_from_the_others() -> None:
    life = Life(DRIFT_CHECK, "finance", "iot")
    life.gone.add("iot")
    life.shows("A", "finance").passes().shows("B", "finance").passes()
    assert [names for _, names in life.runs] == [("finance",)]
    assert life.told() == ("False", "NoTargets")
    assert life.condition().message == "no TargetCluster is named iot"  # type: ignore[union-attr]


def test_neither_creation_nor_a_change_of_the_spec_starts_a_run() -> None:
    life = waiting()
    life.spec["timeout"] = "50s"
    assert life.passes().runs == []


def test_run_at_runs_everywhere_and_counts_for_what_was_rolled_out() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot", onRollout={**GATEWAY, "delay": "10m"})
    life.shows("B", "iot").passes()
    life.annotations["firedrill.dev/run-at"] = "now"
    life.passes().ends().later(3600).passes()
    assert life.runs == [("RunAt:now", ("finance", "iot"))]


def test_a_delay_is_kept_from_when_it_was_complete_on() -> None:
    life = waiting(onRollout={**GATEWAY, "delay": "30s"}).shows("B").passes()
    assert (life.runs, life.again) == ([], timedelta(seconds=30))
    life.later(20).shows("B", complete=False).passes()
    assert (life.runs, life.again) == ([], timedelta(seconds=10))
    life.later(10).passes()
    assert life.runs == [("Rollout:finance=B", ("finance",))], "a pod that went since does not make it undone"


def test_a_newer_rollout_begins_the_delay_anew() -> None:
    life = waiting(onRollout={**GATEWAY, "delay": "30s"}).shows("B").passes().later(29).shows("C").passes().later(2)
    assert (life.passes().runs, life.again) == ([], timedelta(seconds=28))


def test_a_rollout_that_is_taken_back_within_the_delay_is_forgotten() -> None:
    life = waiting(onRollout={**GATEWAY, "delay": "30s"}).shows("B").passes().shows("A").passes().later(60)
    assert life.passes().runs == []
    assert life.status.rollouts[0].completed_at is None


# -- what holds it up -----------------------------------------------------------------------------------------------


def test_rollouts_during_a_run_are_one_run_after_it() -> None:
    life = waiting().shows("B").passes()
    assert life.going
    life.shows("C").passes().shows("D").passes().shows("D", complete=False).passes()
    assert len(life.runs) == 1
    life.ends()
    assert [trigger for trigger, _ in life.runs] == ["Rollout:finance=B", "Rollout:finance=D"], "a dead pod loses none"


def test_a_rollout_that_was_taken_back_during_the_run_starts_none() -> None:
    life = waiting().shows("B").passes().shows("C").passes().shows("B").passes().ends()
    assert len(life.runs) == 1


def test_replace_ends_a_run_where_something_newer_was_rolled_out() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot", concurrencyPolicy="Replace").shows("B").passes()
    life.shows("C", "iot").passes()
    assert [trigger for trigger, _ in life.runs] == [
        "Rollout:finance=B,iot=B",
        "Rollout:finance=B,iot=C",
    ], "what was cut short in finance is done again"


def test_what_was_cut_short_is_done_again_though_the_newer_rollout_is_taken_back() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot", concurrencyPolicy="Replace").shows("B").passes()
    life.shows("C", "iot").passes(1)
    assert not life.going
    life.shows("B", "iot").passes()
    assert life.runs[1:] == [("Rollout:finance=B,iot=B", ("finance", "iot"))]


def test_what_was_cut_short_is_done_again_when_its_target_is_back() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot", concurrencyPolicy="Replace").shows("B").passes()
    life.shows("C", "iot").passes(1)
    life.unreachable.add("finance")
    life.passes()
    assert life.runs[1:] == [("Rollout:iot=C", ("iot",))]
    life.unreachable.clear()
    life.ends()
    assert life.runs[2:] == [("Rollout:finance=B", ("finance",))]


def test_a_run_that_ends_for_all_is_not_begun_elsewhere_afterwards() -> None:
    together = {"maxConcurrent": 1, "abortAll": True}
    life = waiting(CHAOS_EXPERIMENT, "finance", "iot", acrossClusters=together).shows("B").passes()
    life.ends(Verdict.FAILED)
    assert [entry.reason for entry in life.status.clusters][1] == "AbortedElsewhere"
    life.later(3600).passes()
    assert len(life.runs) == 1


def test_more_targets_than_status_can_hold_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "_MOST", 2)
    life = Life(DRIFT_CHECK, "finance", "iot", "healthcare").shows("A").passes()
    assert life.told() == ("False", "TooManyTargets")


def test_replace_lets_a_run_elsewhere_end() -> None:
    life = waiting(DRIFT_CHECK, "finance", "iot", concurrencyPolicy="Replace").shows("B", "finance").passes()
    life.shows("B", "iot").passes()
    assert len(life.runs) == 1
    assert life.ends().runs[1] == ("Rollout:iot=B", ("iot",))


def test_a_target_that_waits_for_its_turn_does_not_replace_its_own_run() -> None:
    together = {"maxConcurrent": 1}
    life = waiting(CHAOS_EXPERIMENT, "finance", "iot", concurrencyPolicy="Replace", acrossClusters=together)
    life.shows("B").passes()
    assert (len(life.runs), life.going) == (1, True)
    life.ends().ends()
    assert (len(life.runs), life.going) == (1, False)
    assert [entry.template for entry in life.status.rollouts] == ["B", "B"]


def test_what_a_run_did_not_come_to_is_run_for_again() -> None:
    life = waiting(CHAOS_EXPERIMENT, "finance", "iot", acrossClusters={"maxConcurrent": 1}).shows("B").passes()
    life.halted = "incident"
    life.passes()
    life.objects["finance"] = {}
    life.ends()
    life.halted = ""
    life.passes()
    assert [names for _, names in life.runs] == [("finance", "iot"), ("iot",)]


def test_a_halt_holds_an_experiment_back_and_no_check() -> None:
    life, check = waiting(CHAOS_EXPERIMENT), waiting()
    for each in (life, check):
        each.halted = "incident"
        each.shows("B").passes()
    assert (life.runs, len(check.runs)) == ([], 1)
    assert "incident" in life.status.message
    life.halted = ""
    assert life.passes().runs == [("Rollout:finance=B", ("finance",))]


def test_suspended_it_looks_at_nothing_and_makes_up_for_it() -> None:
    life = waiting()
    life.spec["suspend"] = True
    assert watched(life.observed()) is None
    life.shows("B").passes()
    assert (life.runs, life.told()) == ([], ("Unknown", "Suspended"))
    life.spec["suspend"] = False
    assert life.passes().runs == [("Rollout:finance=B", ("finance",))]


def test_a_blackout_window_is_waited_out() -> None:
    life = waiting(CHAOS_EXPERIMENT)
    life.target_specs = {"policy": {"blackoutWindows": [{"name": "market", "from": "11:00", "to": "13:00"}]}}
    life.shows("B").passes()
    assert (life.runs, life.told()) == ([], ("True", "Waiting"))
    assert "market" in life.condition().message  # type: ignore[union-attr]
    assert life.again == timedelta(minutes=1)
    life.later(3700).passes()
    assert life.runs == [("Rollout:finance=B", ("finance",))]


def test_a_suspended_target_is_waited_for() -> None:
    life = waiting()
    life.target_specs = {"suspend": True}
    assert (life.shows("B").passes().runs, life.told()) == ([], ("True", "Waiting"))
    life.target_specs = {}
    assert len(life.passes().runs) == 1


def test_a_target_out_of_reach_is_waited_for() -> None:
    life = waiting()
    life.unreachable.add("finance")
    life.shows("B").passes()
    assert (life.runs, life.again) == ([], timedelta(seconds=5))
    life.unreachable.clear()
    assert len(life.passes().runs) == 1


# -- what is not seen is told ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["Unreadable", "WorkloadNotFound", "TargetUnreachable"])
def test_what_is_not_seen_is_told_once(reason: str) -> None:
    life = Life().sees(Blind(reason, "why")).passes()
    assert life.told() == ("False", reason)
    assert [(event.reason, event.message, event.warning) for event in life.events] == [(reason, "why", True)]
    writes = life.writes()
    life.later(600).passes()
    assert life.writes() == writes
    life.shows("A").passes()
    assert (life.told(), life.runs) == (("True", "Watched"), [])


def test_a_workload_that_was_away_is_remembered() -> None:
    life = waiting().sees(Blind("WorkloadNotFound", "gone")).passes().shows("B").passes()
    assert len(life.runs) == 1


def test_before_anybody_has_looked_nothing_is_said() -> None:
    life = waiting()
    life.looks = {}
    writes = life.writes()
    assert life.passes().writes() == writes, "an operator that was just started knows nothing yet"


def test_no_target_at_all_is_told() -> None:
    life = Life(clusters={"matchLabels": {"industry": "none"}}).passes()
    assert life.told() == ("False", "NoTargets")


def test_without_it_nothing_is_remembered() -> None:
    life = waiting()
    del life.spec["onRollout"]
    life.spec["schedule"] = "0 * * * *"
    life.passes()
    assert (life.status.rollouts, life.condition()) == ([], None)


# -- who asks -------------------------------------------------------------------------------------------------------


def test_who_set_the_spec_is_who_asks() -> None:
    life = waiting(CHAOS_EXPERIMENT)
    life.requester = Requester("ann", ("finance",))
    life.shows("B").passes()
    assert life.status.last_run is not None
    assert life.status.last_run.requested_by == "ann"


@pytest.mark.parametrize(
    ("policy", "who", "says"),
    [
        ({"hubNamespaces": ["others"]}, None, "hubNamespaces"),
        ({"faultFamilies": []}, None, "faultFamilies"),
        ({"requireRequester": True}, None, "requireRequester"),
        ({}, Requester("eve", ()), "eve"),
    ],
)
def test_where_it_may_not_run_it_does_not_even_look(policy: Any, who: Requester | None, says: str) -> None:
    life = Life(CHAOS_EXPERIMENT)
    life.target_specs, life.requester = {"policy": policy}, who
    life.passes()
    found = watched(life.observed())
    assert found is not None
    assert list(found[1]) == []
    assert life.told() == ("False", "NotPermitted")
    assert says in life.condition().message  # type: ignore[union-attr]
    assert life.shows("A").passes().shows("B").passes().runs == []


# -- what a run does to the workload itself -------------------------------------------------------------------------


def test_a_fault_of_its_own_in_the_workload_starts_no_further_run() -> None:
    life = waiting(CHAOS_EXPERIMENT).shows("B").passes()
    life.shows("B-broken", faulted="run1").passes()
    life.shows("B", revision="counted on").passes().ends().later(60).passes()
    assert len(life.runs) == 1
    assert life.shows("C").passes().runs[1] == ("Rollout:finance=C", ("finance",))


def test_a_rollout_under_a_fault_of_its_own_is_run_for_afterwards() -> None:
    life = waiting(CHAOS_EXPERIMENT).shows("B").passes().shows("C-broken", faulted="run1").passes()
    life.shows("C").passes().ends()
    assert [trigger for trigger, _ in life.runs] == ["Rollout:finance=B", "Rollout:finance=C"]


def experiment_of_others() -> Life:
    steps = [{"name": "x", "target": {"namespace": "payments", "matchLabels": {"app": "x"}}, "fault": TOOLKIT}]
    life = Life(CHAOS_EXPERIMENT, target=None, fault=None, duration=None, steps=steps, timeout="10m")
    life.target_specs = {"policy": {"faultFamilies": ["chaostoolkit"]}}
    return life.shows("A").passes()


@pytest.mark.parametrize("kind", ["an engine of others", "Simulation"])
def test_what_can_not_be_told_from_its_own_doing_starts_no_run_without_end(kind: str) -> None:
    life = Life(SIMULATION).shows("A").passes() if kind == "Simulation" else experiment_of_others()
    assert life.told() == ("True", "Watched"), life.status
    life.shows("B").passes()
    assert len(life.runs) == 1
    life.shows("B-restarted", complete=False).passes().shows("B-restarted").passes()
    # What is shown was read before the end: it may be on its way back.
    life.ends()
    assert (life.status.rollouts, life.again) == ([], timedelta(seconds=5))
    life.shows("B-rolled-back").later(10).passes().later(3600).passes()
    assert len(life.runs) == 1
    assert [entry.template for entry in life.status.rollouts] == ["B-rolled-back"]
    assert len(life.shows("C").passes().runs) == 2


def test_a_simulation_is_not_taken_away_where_nothing_was_rolled_out() -> None:
    life = Life(SIMULATION, "finance", "iot").shows("A").passes()
    life.annotations["firedrill.dev/run-at"] = "now"
    life.passes().ends().later(10).passes()
    life.shows("B", "iot").passes()
    assert [names for _, names in life.runs] == [("finance", "iot"), ("iot",)]
    assert {each.name: each.removing for each in life.status.standing} == {"finance": False, "iot": False}  # type: ignore[attr-defined]


# -- crashes --------------------------------------------------------------------------------------------------------


def test_a_crash_before_the_write_notices_again_and_one_after_it_runs_once() -> None:
    life = waiting(onRollout={**GATEWAY, "delay": "30s"}).shows("B")
    life.one(crash_before=WriteStatus)
    life.later(30).passes()
    assert (life.runs, life.again) == ([], timedelta(seconds=30)), "nobody has written down when it was complete"
    life.later(30).one(crash_before=WriteStatus)
    assert life.runs == []
    life.passes().ends().later(600).passes()
    assert life.runs == [("Rollout:finance=B", ("finance",))]
