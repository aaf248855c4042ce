"""What is to be known of another operator, to use its objects as faults."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from firedrill.api.enginepolicy import LitmusPolicy
from firedrill.api.target import PodTarget
from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.chaos.faults.fields import Kind

Object = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What an object is made for. ``litmus`` is the policy's part for Litmus."""

    name: str
    target: PodTarget
    duration: timedelta
    litmus: LitmusPolicy | None = None


@dataclass(frozen=True)
class EngineView:
    """One look at an object. ``recovered`` is only said of what was asked to stop, or has ended by itself."""

    injected: bool = False
    recovered: bool = False
    ended: bool = False
    evidence: str = ""
    verdict: Verdict | None = None
    reason: str = ""
    message: str = ""
    measurements: tuple[Measurement, ...] = ()
    report: Object = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter:
    """One other operator: ``made`` raises NotApplicable, ``read`` takes the object and its result.

    ``stop`` is a merge patch that asks it to end the fault; ``result`` names the object that holds what came of it.
    """

    name: str
    kind: Callable[[Any], Kind]
    made: Callable[[Any, Setting], Object]
    read: Callable[[Object, Object | None], EngineView]
    stop: Object
    result: Callable[[Object], tuple[Kind, str] | None]
