"""Who works first, where two pods of a Simulation meet."""

from typing import Any

import pytest

from firedrill.runner.simulating.place import earlier

Object = dict[str, Any]


def pod(uid: str, created: str, phase: str = "Running") -> Object:
    return {"metadata": {"name": f"pod-{uid}", "uid": uid, "creationTimestamp": created}, "status": {"phase": phase}}


OLD, NEW = "2026-03-02T12:00:00Z", "2026-03-02T12:00:05Z"


@pytest.mark.parametrize(
    ("pods", "own", "waits_for"),
    [
        ([pod("a", OLD), pod("b", NEW)], "b", ["pod-a"]),
        ([pod("a", OLD), pod("b", NEW)], "a", []),
        ([pod("a", OLD), pod("b", OLD)], "b", ["pod-a"]),
        ([pod("a", OLD), pod("b", OLD)], "a", []),
        ([pod("a", OLD, "Failed"), pod("b", NEW)], "b", []),
        ([pod("a", OLD)], "b", ["pod-a"]),
    ],
    ids=["the later waits", "the earlier does not", "a tie has one winner", "and one alone", "ended", "not listed yet"],
)
def test_of_two_exactly_one_waits(pods: list[Object], own: str, waits_for: list[str]) -> None:
    assert earlier(pods, own) == waits_for
