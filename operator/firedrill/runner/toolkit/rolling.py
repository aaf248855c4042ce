"""Runs the rollbacks of an experiment whose process is gone, or whose rollbacks have failed."""

import time
from collections.abc import Callable
from typing import Any, Final

from chaoslib.activity import execute_activity
from chaoslib.caching import cache_activities
from chaoslib.run import EventHandlerRegistry

from firedrill.runner.toolkit import telling
from firedrill.runner.toolkit.running import verify

Object = dict[str, Any]
_VERIFY_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 1.0


def roll_back(request: Object, tell: Callable[[Object], None]) -> Object:
    """Each rollback that is not done, in its order, one after the other; told after each.

    The answer's ``done`` are the places of those that have succeeded now. Where all are done, the hypothesis is asked.
    """
    experiment = request["experiment"]
    cache_activities(experiment)
    answer: Object = {"done": [], "rollbacks": [], "error": ""}
    rollbacks = experiment.get("rollbacks") or []
    for number, each in enumerate(rollbacks):
        if number in request["done"]:
            continue
        told = telling.activity(_one(experiment, each))
        answer["rollbacks"].append(told.to_wire())
        if told.succeeded:
            answer["done"].append(number)
        else:
            answer["error"] = f"rollback {told.name} failed: {told.error}"
        tell(answer)
    if len({*request["done"], *answer["done"]}) == len(rollbacks):
        _verify(experiment, answer, tell)
    return answer


def _verify(experiment: Object, answer: Object, tell: Callable[[Object], None]) -> None:
    """Ask the hypothesis until it is met, for a while: what was rolled back takes its time."""
    end = time.monotonic() + _VERIFY_SECONDS
    while True:
        verified = verify(experiment)
        answer["verified"] = verified.to_wire() if verified else None
        tell(answer)
        if verified is None or verified.met or time.monotonic() > end:
            return
        time.sleep(_PAUSE_SECONDS)


def _one(experiment: Object, activity: Object) -> Object:
    registry = EventHandlerRegistry()
    run: Object = execute_activity(
        experiment, activity, experiment["configuration"], experiment["secrets"], None, event_registry=registry
    )
    return run
