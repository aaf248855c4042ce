"""Another check of Firedrill as a probe: its verdict is the answer."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from chaos_clock import VirtualClock
from chaos_cluster import World
from probe_context import context_of

from firedrill.api.chaosexperiment import SteadyState
from firedrill.runner.asking import Asking, asking

Object = dict[str, Any]


def inline(*values: float) -> Object:
    """A column of numbers."""
    return {"inline": {"csv": "\n".join(["x", *(f"{value:.3f}" for value in values)])}}


ONE = [number / 200 for number in range(200)]
OTHER = [number + 5 for number in ONE]


def ask(checks: Object, name: str = "prices", kinds: tuple[str, ...] = ("*",), **fields: Any) -> Asking:
    """What asks a DriftCheck of that name, in a run that has resolved these specs."""
    context = context_of(World(VirtualClock()))
    policy = context.task.policy.model_copy(update={"kinds": list(kinds)})
    context = replace(context, task=context.task.model_copy(update={"checks": checks, "policy": policy}))
    probe = {"kind": "DriftCheck", "name": name, **fields}
    return asking(SteadyState.model_validate({"resource": probe, "window": "60s"}).probe, context)


def check(reference: Object, current: Object) -> Object:
    """The spec of a DriftCheck, as a task lists it."""
    return {"DriftCheck/prices": {"clusters": {"names": ["finance"]}, "reference": reference, "current": current}}


@pytest.mark.parametrize(
    ("current", "good", "says"),
    [
        (inline(*ONE), True, "NoDrift"),
        (inline(*OTHER), False, "Drift"),
        (inline(*ONE[:3]), None, "TooFew"),
        ({"configMap": {"name": "gone", "key": "a.csv"}}, None, "SourceNotFound"),
    ],
    ids=["passes", "fails", "too little to tell", "a source that is gone"],
)
async def test_its_verdict_is_the_answer(current: Object, good: bool | None, says: str) -> None:
    made = ask(check(inline(*ONE), current))
    assert await made.ready() is None
    found, told = await made()
    assert found is good
    assert says in told
    await made.close()


@pytest.mark.parametrize(
    ("arguments", "reason", "says"),
    [
        ({"name": "other"}, "NotApplicable", "there was no DriftCheck other in namespace sre"),
        ({"kinds": ("ChaosExperiment",)}, "NotPermitted", "does not admit DriftCheck"),
    ],
)
async def test_what_can_not_be_asked_is_refused_before_anything_is_done(
    arguments: Object, reason: str, says: str
) -> None:
    refusal = await ask(check(inline(*ONE), inline(*ONE)), **arguments).ready()
    assert refusal is not None
    assert refusal.reason == reason
    assert says in refusal.message


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (
            "DataPipelineTest",
            {"pipeline": {"cronJob": {"namespace": "etl", "cronJob": "nightly"}}},
            "starts a pipeline",
        ),
        ("PerformanceBenchmark", {"workers": 2}, "several workers"),
        (
            "DriftCheck",
            {"current": {"volume": {"claim": "features", "path": "x.csv"}}},
            "PersistentVolumeClaims (features)",
        ),
        ("DriftCheck", {"current": {"inlined": {}}}, "spec.current.inlined"),
    ],
)
async def test_a_check_that_can_not_be_asked_again_and_again_is_no_probe(kind: str, fields: Object, says: str) -> None:
    whole = {
        "DataPipelineTest": {"data": {"inline": {"csv": "x\n1"}}, "checks": [{"volume": {"min": 1}}]},
        "PerformanceBenchmark": {
            "target": {"http": {"url": "http://a/"}},
            "load": {"openLoop": {"rate": 5, "duration": "5s"}},
        },
        "DriftCheck": {"reference": inline(*ONE), "current": inline(*ONE)},
    }
    spec = {"clusters": {"names": ["finance"]}, **whole[kind], **fields}
    refusal = await ask({f"{kind}/prices": spec}, kind=kind).ready()
    assert refusal is not None
    assert refusal.reason == "NotApplicable"
    assert says in refusal.message


async def test_one_that_takes_too_long_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(_context: object) -> None:
        await asyncio.sleep(5)

    monkeypatch.setattr("firedrill.runner.probes.resource.dispatch", slow)
    assert await ask(check(inline(*ONE), inline(*ONE)), timeout="50ms")() == (False, "timeout")
