"""What Chaos Toolkit notes of an activity or a hypothesis, in the words of our journal."""

import json
from collections.abc import Sequence
from typing import Any, Final

from firedrill.engines.chaos.toolkit.journal import Activity, Hypothesis

Object = dict[str, Any]
_LONGEST: Final = 1024
#: Before the text of every activity that has failed.
_FAILED: Final = "chaoslib.exceptions.ActivityFailed: "


def activity(run: Object) -> Activity:
    """One run of an activity."""
    done = run.get("activity") or {}
    return Activity(
        name=done.get("name", ""),
        type=done.get("type", ""),
        succeeded=run.get("status") == "succeeded",
        met=run.get("tolerance_met"),
        tolerance=_text(done["tolerance"]) if "tolerance" in done else "",
        output=_text(run.get("output")),
        error="".join(run.get("exception") or ()).strip().rpartition("\n")[2].removeprefix(_FAILED),
        seconds=round(float(run.get("duration") or 0.0), 3),
        ended_at=run.get("end"),
    )


def activities(runs: Sequence[Object] | None) -> list[Activity]:
    """Several of them."""
    return [activity(run) for run in runs or ()]


def hypothesis(state: Object | None) -> Hypothesis | None:
    """One check of a hypothesis; None where there was none."""
    if state is None:
        return None
    return Hypothesis(met=bool(state.get("steady_state_met")), probes=activities(state.get("probes")))


def _text(value: Any) -> str:
    if value is None:
        return ""
    try:
        return json.dumps(value)[:_LONGEST]
    except (TypeError, ValueError):
        return str(value)[:_LONGEST]
