"""What is refused, by which rule, in which order."""

from typing import Any

import pytest
from experiment_builders import KILL, LOSS, pod, pods, spec, task

from firedrill.api.meta import LABEL_OPT_IN
from firedrill.engines.chaos.permission import Request, check, check_policy
from firedrill.engines.chaos.views import Owner

OPTED_IN = {LABEL_OPT_IN: "enabled"}


def request(
    fault: Any = LOSS, *, policy: Any = None, labels: Any = OPTED_IN, matching: Any = None, **fields: Any
) -> Request:
    there = pods(4) if matching is None else matching
    hit = fields.pop("selected", there[:1])
    return Request(task(**(policy or {})), spec(fault, **fields), labels, there, hit)


def test_a_fault_of_the_control_plane_hits_what_is_new_and_has_no_share() -> None:
    asked = request({"quotaExhausted": {}}, policy={"faultFamilies": ["controlplane"]}, selected=pods(4))
    assert check(asked) is None


@pytest.mark.parametrize("fault", [LOSS, KILL])
def test_what_is_allowed(fault: Any) -> None:
    assert check(request(fault)) is None


@pytest.mark.parametrize(
    ("asked", "reason", "words"),
    [
        (request(policy={"hubNamespaces": ["ml"]}), "NotPermitted", "policy.hubNamespaces"),
        (request(policy={"kinds": ["DriftCheck"]}), "NotPermitted", "policy.kinds"),
        (request(LOSS, policy={"faultFamilies": ["workload"]}), "NotPermitted", "family network"),
        (request(KILL, policy={"faultFamilies": ["network"]}), "NotPermitted", "family workload"),
        (request(KILL, policy={"faultFamilies": []}), "NotPermitted", "allows none"),
        (request(target={"namespace": "kube-system"}), "NotPermitted", "kube-system"),
        (request(target={"namespace": "kube-public"}), "NotPermitted", "kube-public"),
        (request(target={"namespace": "kube-node-lease"}), "NotPermitted", "kube-node-lease"),
        (request(target={"namespace": "firedrill"}), "NotPermitted", "namespace firedrill"),
        (request(policy={"targetNamespaces": ["web"]}), "NotPermitted", "policy.targetNamespaces"),
        (request(policy={"maxFaultDuration": "5s"}), "NotPermitted", "longer than policy.maxFaultDuration, 5s"),
        (request(labels=None), "NoTargets", "does not exist"),
        (request(labels={}), "NotPermitted", "label it firedrill.dev/experiments=enabled"),
        (request(labels={LABEL_OPT_IN: "true"}), "NotPermitted", "label it"),
        (request(matching=[]), "NoTargets", "app=ledger"),
        (
            request(selected=pods(3)),
            "NotPermitted",
            "3 of 4 pods would be hit; policy.maxAffectedPercent, 50, allows 2",
        ),
        (request(KILL, selected=[pod("a", owner=None)]), "NotPermitted", "no controller"),
        (request(KILL, selected=[pod("a", owner=Owner("Job", "j", "1"))]), "NotPermitted", "belongs to a Job"),
        (request(LOSS, selected=[pod("a", host_network=True)]), "NotPermitted", "network of its node"),
    ],
)
def test_refusals(asked: Request, reason: str, words: str) -> None:
    refusal = check(asked)
    assert refusal is not None
    assert refusal.reason == reason
    assert words in refusal.message


def test_a_single_pod_may_always_be_hit() -> None:
    assert check(request(matching=pods(1), policy={"maxAffectedPercent": 1})) is None


def test_loss_needs_no_controller_and_a_kill_no_network() -> None:
    assert check(request(LOSS, selected=[pod("a", owner=None)])) is None
    assert check(request(KILL, selected=[pod("a", host_network=True)])) is None


def test_policy_comes_before_what_was_found() -> None:
    refusal = check(request(policy={"faultFamilies": []}, labels=None))
    assert refusal is not None
    assert "family" in refusal.message


def test_policy_alone_asks_for_nothing_from_the_target() -> None:
    assert check_policy(task(), spec()) is None
