"""Builders of what the decisions of an experiment take."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.task import Task
from firedrill.engines.chaos.observation import Observation
from firedrill.engines.chaos.recovery import Recovery
from firedrill.engines.chaos.samples import Sample, Share
from firedrill.engines.chaos.views import Owner, PodView

T0 = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
LOSS = {"packetLoss": {"percent": 50, "port": 8080}}
KILL: dict[str, Any] = {"podKill": {}}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def spec(fault: dict[str, Any] | None = None, **fields: Any) -> ChaosExperimentSpec:
    return ChaosExperimentSpec.model_validate(
        {
            "clusters": {"names": ["finance"]},
            "steadyState": {"http": {"url": "http://gateway/pay"}, **fields.pop("steadyState", {})},
            "target": {"namespace": "payments", "matchLabels": {"app": "ledger"}, **fields.pop("target", {})},
            "fault": fault or LOSS,
            **fields,
        }
    )


def task(**policy: Any) -> Task:
    return Task.model_validate(
        {
            "kind": "ChaosExperiment",
            "namespace": "sre",
            "name": "ledger",
            "uid": "u",
            "runId": "r",
            "cluster": "finance",
            "runnerNamespace": "firedrill",
            "job": "cha-ledger",
            "jobUid": "j",
            "startedAt": "2026-07-01T12:00:00Z",
            "deadline": "2026-07-01T12:10:00Z",
            "image": "runner",
            "policy": {"faultFamilies": ["workload", "network"], **policy},
            "spec": {},
        }
    )


def pod(name: str, **fields: Any) -> PodView:
    owner = fields.pop("owner", Owner("ReplicaSet", "ledger-1", "rs-1"))
    return replace(PodView("payments", name, f"uid-{name}", owner=owner), **fields)


def pods(count: int) -> list[PodView]:
    return [pod(f"ledger-{number:04}") for number in range(count)]


def samples(outcomes: Iterable[bool | str], *, interval: float = 0.2, start: float = 0.0) -> list[Sample]:
    """One sample an interval; in a string, a dot is a good one."""
    flat = [item == "." if isinstance(item, str) else item for item in outcomes]
    return [Sample(at(start + number * interval), 0.02 if ok else 1.0, ok) for number, ok in enumerate(flat)]


def observation(
    fault: dict[str, Any] | None = None, *, limits: dict[str, Any] | None = None, **fields: Any
) -> Observation:
    """An experiment that is passed, but for the given fields."""
    usual = Observation(
        spec=spec(fault, steadyState=limits or {}),
        before=Share(25, 25),
        during=Share(50, 30),
        after=Share(25, 25),
        fault_start=at(10),
        fault_end=at(20),
        first_failure=at(11),
        recovery=Recovery(at(20.4), Share(25, 25)),
        targets=1,
        proven=True,
        undone=True,
        undo_evidence="table is gone",
        dropped_packets=40,
    )
    return replace(usual, **fields)
