"""Experiments of several faults in the simulated cluster, and what was on at which time."""

from datetime import datetime
from typing import Any

from chaos_lab import (
    PACKET_LOSS,
    POD_KILL,
    SCALE,
    SECRET_DELETE,
    SECRET_ROTATE,
    WRONG_SELECTOR,
    Lab,
    spec,
    steps_spec,
    task,
)

from firedrill.api.verdict import Measurement, Verdict

Object = dict[str, Any]

IN_SEQUENCE = steps_spec(
    {"name": "loss", "fault": PACKET_LOSS},
    {"name": "selector", "fault": WRONG_SELECTOR, "after": ["loss"]},
)
SAME_IN_SEQUENCE = steps_spec(
    {"name": "first", "fault": PACKET_LOSS},
    {"name": "second", "fault": PACKET_LOSS, "after": ["first"], "delay": "2s"},
)
IN_PARALLEL = steps_spec(
    {"name": "loss", "fault": PACKET_LOSS, "duration": "4s"},
    {"name": "selector", "fault": WRONG_SELECTOR, "duration": "7s"},
)
LATE_BESIDE = steps_spec(
    {"name": "loss", "fault": PACKET_LOSS, "duration": "9s"},
    {"name": "selector", "fault": WRONG_SELECTOR, "delay": "2s", "duration": "3s"},
)
#: Each keeps an original of its own.
SEALED_IN_SEQUENCE = steps_spec(
    {"name": "rotated", "fault": SECRET_ROTATE},
    {"name": "deleted", "fault": SECRET_DELETE, "after": ["rotated"]},
)
REPEATED = spec(PACKET_LOSS, timeout="10m", duration="3s", repeat={"times": 2, "pause": "1s"})
KILLED_TWICE = spec(POD_KILL, timeout="10m", duration="3s", repeat={"times": 2})
ABORTED = steps_spec(
    {"name": "scale", "fault": SCALE, "duration": "20s"},
    {"name": "loss", "fault": PACKET_LOSS, "after": ["scale"]},
    abort=[{"name": "nobody-answers", "maxFailureRate": 0.5, "window": "2s"}],
)
#: Somebody else takes away a pod under the fault, which follows to the one that comes instead.
FOLLOWED = spec(PACKET_LOSS, timeout="10m", duration="24s", target={**spec({})["target"], "mode": "All"})
SHAPES = {
    "two in sequence": IN_SEQUENCE,
    "the same twice in sequence": SAME_IN_SEQUENCE,
    "two of a Secret in sequence": SEALED_IN_SEQUENCE,
    "two in parallel": IN_PARALLEL,
    "one late beside another": LATE_BESIDE,
    "repeated twice": REPEATED,
    "killed twice": KILLED_TWICE,
    "aborted by its condition": ABORTED,
    "followed to a new pod": FOLLOWED,
}


def lab(shape: Object) -> Lab:
    played = Lab(task(shape))
    played.replaces_a_pod = shape is FOLLOWED
    return played


def ended(played: Lab) -> tuple[Verdict, str]:
    assert played.result is not None
    return played.result.verdict, played.result.reason


def timeline(played: Lab) -> list[str]:
    assert played.result is not None
    return [line["event"] for line in played.result.report["timeline"]]


def at(played: Lab, event: str) -> datetime:
    """When an event of the timeline was."""
    assert played.result is not None
    (found,) = [line["at"] for line in played.result.report["timeline"] if line["event"].startswith(event)]
    return datetime.fromisoformat(found.replace("Z", "+00:00"))


def measured(played: Lab) -> dict[str, Measurement]:
    assert played.result is not None
    return {item.name: item for item in played.result.measurements}
