"""The pure decisions of a fix, each as a table."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fix_builders import BAD, GOOD, T0, Object, deployment, not_pulled, pod, replica_set, rollout, task, template

from firedrill.api.autofix import Approval
from firedrill.api.record import Control
from firedrill.engines.fix.finding import CONFIRM, Diagnosis, Watch, look
from firedrill.engines.fix.gates import APPLY, ApplyCase, ApprovalCase, Approved, Refusal, approval, first_refusal
from firedrill.engines.fix.patch import is_ours, mark_of, withdrawn
from firedrill.engines.fix.proposal import choose_revision, proposal_hash, propose
from firedrill.engines.fix.verifying import Verification, VerifyWatch
from firedrill.engines.fix.views import deployment_view, revision_view

HEALTHY = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def _complete() -> Object:
    body = deployment(template(GOOD), **HEALTHY)
    body["status"]["replicas"] = 2
    return body


@pytest.mark.parametrize(
    ("seen", "diagnosis"),
    [
        (rollout(), Diagnosis.IMAGE_NOT_PULLED),
        (rollout(pods=[not_pulled("a", "new", "ErrImagePull")]), Diagnosis.IMAGE_NOT_PULLED),
        (rollout(pods=[not_pulled("a", "new", "InvalidImageName")]), Diagnosis.IMAGE_NOT_PULLED),
        # Pods of an older revision say nothing of the newest.
        (rollout(pods=[not_pulled("a", "old")]), Diagnosis.STARTING),
        (rollout(_complete()), Diagnosis.NOTHING_TO_FIX),
        (rollout(deployment(paused=True)), Diagnosis.PAUSED),
        (rollout(deployment(replicas=0)), Diagnosis.SCALED_TO_ZERO),
        (rollout(pods=[pod("a", "new", ready=False, waiting={"reason": "ContainerCreating"})]), Diagnosis.STARTING),
        (rollout(pods=[pod("a", "new", ready=False, waiting={"reason": "CrashLoopBackOff"})]), Diagnosis.NO_KNOWN_FIX),
        (rollout(sets=[replica_set("old", 1, template(GOOD), 2)], pods=[]), Diagnosis.STARTING),
        # Complete by its counts, but for a generation that is not the newest.
        (rollout(deployment(**HEALTHY, observedGeneration=1)), Diagnosis.IMAGE_NOT_PULLED),
    ],
)  # fmt: skip
def test_what_is_wrong(seen: Any, diagnosis: Diagnosis) -> None:
    assert look(seen).diagnosis is diagnosis


def test_the_evidence_names_pod_image_and_what_the_kubelet_said() -> None:
    (item,) = look(rollout()).evidence
    assert (item.pod, item.image, item.reason) == ("new-a", BAD, "ImagePullBackOff")
    assert "Back-off" in item.message
    assert item.since == "2026-01-01T11:59:00Z"


@pytest.mark.parametrize(
    ("looks", "decided_at"),
    [
        ([(0, rollout()), (2, rollout()), (6, rollout())], 6),
        ([(0, rollout(_complete()))], 0),
        # A hiccup of the registry: it begins anew.
        ([(0, rollout()), (4, rollout(pods=[])), (6, rollout()), (9, rollout()), (11, rollout())], 11),
        ([(0, rollout(pods=[not_pulled("a", "new", "InvalidImageName")]))], 0),
        ([(0, rollout(pods=[])), (59, rollout(pods=[])), (60, rollout(pods=[]))], 60),
        # Out of time, but the finding has just shown itself: it gets its confirmation.
        ([(0, rollout(pods=[])), (60, rollout()), (63, rollout()), (65, rollout())], 65),
    ],
)
def test_when_a_look_decides(looks: list[tuple[int, Any]], decided_at: int) -> None:
    assert timedelta(seconds=5) == CONFIRM
    watch = Watch(T0)
    for at, seen in looks:
        now = T0 + timedelta(seconds=at)
        watch = watch.seen(look(seen), now)
        decided = watch.conclusion(now, timedelta(seconds=60)) is not None
        assert decided == (at == decided_at), at


@pytest.mark.parametrize(
    ("sets", "chosen"),
    [
        ([("a", 1, GOOD, 2), ("b", 2, "image:x", 0)], "a"),  # ready pods count before a newer revision
        ([("a", 1, GOOD, 1), ("b", 2, "image:x", 2)], "b"),  # of those with ready pods, the newest
        ([("a", 1, GOOD, 0), ("b", 2, "image:x", 0)], "b"),  # none ready: the newest with another image
        ([("a", 1, GOOD, 0), ("b", 2, BAD, 0)], "a"),
        ([("a", 1, BAD, 1)], "a"),  # its pods run, wherever they have the image from
        ([("a", 1, BAD, 0)], None),
        ([("a", None, GOOD, 2)], None),  # not numbered by the controller
        ([], None),
    ],
)
def test_which_revision_is_gone_back_to(sets: list[tuple[str, int | None, str, int]], chosen: str | None) -> None:
    failing = revision_view(replica_set("new", 9, template(BAD)))
    older = [revision_view(replica_set(name, number, template(image), ready)) for name, number, image, ready in sets]
    choice = choose_revision([failing, *older], failing, frozenset({BAD}))
    assert (choice[0].name if choice else None) == chosen


def test_a_proposal_says_what_changes_and_hides_values() -> None:
    now = template(BAD)
    now["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": "confidential"}]
    seen = rollout(deployment(now), [replica_set("old", 1, template(GOOD), 2), replica_set("new", 2, now)])
    proposal = propose(seen, look(seen).evidence)
    assert proposal is not None
    assert [(item.now, item.then) for item in proposal.images] == [(BAD, GOOD)]
    assert proposal.others == ("spec.containers[gateway].env",)
    assert "confidential" not in json.dumps(proposal.to_wire())
    assert (proposal.from_revision, proposal.to_revision) == (2, 1)


def test_the_hash_stands_for_one_change_of_one_deployment() -> None:
    one, other = deployment_view(deployment()), deployment_view(deployment(uid="deploy-2"))
    hashes = {
        proposal_hash(one, template(BAD), template(GOOD)),
        proposal_hash(other, template(BAD), template(GOOD)),
        proposal_hash(one, template(GOOD), template(BAD)),
        proposal_hash(one, template(BAD), template("image:3")),
    }
    assert len(hashes) == 4
    turned = dict(reversed(template(GOOD).items()))
    assert proposal_hash(one, template(BAD), turned) in hashes
    assert all(len(item) == 16 for item in hashes)


@pytest.mark.parametrize(
    ("mode", "approved", "after", "answer"),
    [
        (Approval.AUTO, "", 0, "Auto"),
        (Approval.MANUAL, "", 0, None),
        (Approval.MANUAL, "wrong", 0, None),
        (Approval.MANUAL, "right", 0, "ApprovedByHash"),
        (Approval.MANUAL, "", 60, "ApprovalExpired"),
        (Approval.MANUAL, "wrong", 60, "ApprovalExpired"),
        (Approval.MANUAL, "right", 61, "ApprovedByHash"),
    ],
)
def test_who_approves(mode: Approval, approved: str, after: int, answer: str | None) -> None:
    case = ApprovalCase(
        mode, "right", Control(approved=approved), T0 + timedelta(seconds=60), T0 + timedelta(seconds=after)
    )
    given = approval(case)
    assert (given.reason if given else None) == answer
    assert isinstance(given, Approved | Refusal | None)


FOUND = deployment_view(deployment())


@pytest.mark.parametrize(
    ("current", "seconds_left", "reason"),
    [
        (rollout(), 90, None),
        (rollout(deployment(uid="deploy-2")), 90, "ChangedMeanwhile"),
        (rollout(deployment(template("image:3"))), 90, "ChangedMeanwhile"),
        (rollout(pods=[]), 90, "ChangedMeanwhile"),  # the image could be pulled after all
        (rollout(deployment(paused=True)), 90, "ChangedMeanwhile"),
        (rollout(), 89, "Timeout"),
    ],
)
def test_when_it_may_be_applied(current: Any, seconds_left: int, reason: str | None) -> None:
    case = ApplyCase(FOUND, current, T0, T0 + timedelta(seconds=seconds_left), timedelta(seconds=90))
    refusal = first_refusal(APPLY, case)
    assert (refusal.reason if refusal else None) == reason


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([(0, False), (3, True), (8, True)], (8, Verification.COMPLETE)),
        ([(0, True), (2, False), (3, True), (8, True)], (8, Verification.COMPLETE)),
        ([(0, False), (61, False)], (61, Verification.TOO_LATE)),
        ([(0, False), (59, True), (64, True)], (64, Verification.COMPLETE)),
        ([(0, False), (61, True)], (61, Verification.TOO_LATE)),
    ],
)
def test_when_a_fix_is_verified(looks: list[tuple[int, bool]], expected: tuple[int, Verification]) -> None:
    complete, hanging = deployment_view(_complete()), deployment_view(deployment())
    watch = VerifyWatch(T0, timedelta(seconds=60))
    for at, done in looks:
        now = T0 + timedelta(seconds=at)
        watch = watch.seen(replace(complete, observed_generation=9) if done else hanging, now)
        conclusion = watch.conclusion(ours=True, now=now)
        assert conclusion is (expected[1] if at == expected[0] else Verification.WAITING), at
    assert watch.conclusion(ours=False, now=T0) is Verification.OVERTAKEN


@pytest.mark.parametrize(
    ("label", "held", "ours"),
    [
        ("uid-1.run1", template(GOOD), True),
        ("uid-1.run1", template(BAD), False),
        ("uid-1.run2", template(GOOD), False),
        ("", template(GOOD), False),  # somebody else went back to the same revision
    ],
)
def test_whose_template_it_is(label: str, held: Object, ours: bool) -> None:
    mark = mark_of("uid-1", "run1")
    assert is_ours({"firedrill.dev/fix": label}, held, mark, [template(GOOD)]) is ours


def test_a_mark_fits_into_a_label() -> None:
    assert len(withdrawn(mark_of("0" * 36, "0" * 16))) <= 63


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"timeout": "60s"}, "timeout must be at least"),
        ({"sandboxTimeout": "0s"}, "sandboxTimeout must be between"),
        ({"approvalTimeout": "200h"}, "approvalTimeout must be between"),
    ],
)
def test_times_that_do_not_fit_are_refused(spec: dict[str, str], said: str) -> None:
    from firedrill.api.autofix import AutoFixSpec

    with pytest.raises(ValueError, match=said):
        AutoFixSpec.model_validate(task(spec=spec).spec)
