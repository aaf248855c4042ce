"""Runs the rollbacks of an experiment whose process is gone, or whose rollbacks have failed."""

from collections.abc import Callable
from typing import Any

from chaoslib.activity import execute_activity
from chaoslib.caching import cache_activities
from chaoslib.run import EventHandlerRegistry

from firedrill.runner.toolkit import telling
from firedrill.runner.toolkit.running import verify

Object = dict[str, Any]


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
        verified = verify(experiment)
        answer["verified"] = verified.to_wire() if verified else None
    return answer


def _one(experiment: Object, activity: Object) -> Object:
    registry = EventHandlerRegistry()
    run: Object = execute_activity(
        experiment, activity, experiment["configuration"], experiment["secrets"], None, event_registry=registry
    )
    return run
