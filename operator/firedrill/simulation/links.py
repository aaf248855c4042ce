"""Calls between services that are drawn, not written: who calls whom, and how often, so that load stays bounded."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from firedrill.api.servicegraph import CallStep, LeafStep, Step

#: Calls side by side in one step: with at most 64 steps a script, room for 1024 callees.
_SIDE_BY_SIDE = 16

Links = Mapping[str, Sequence[str]]


def shares(
    order: Sequence[str], links: Links, arriving: Mapping[str, float], wanted: Mapping[str, float]
) -> dict[str, float]:
    """The share of requests with which callers call each service, so that it is visited as often as wanted.

    ``order`` holds every caller before its callees. ``arriving`` says how often the first services are visited by a
    request from outside. Where all callers calling always is less than wanted, the share is 1. With this the number
    of calls that a request causes is at most the sum of ``wanted``, however deep the graph is.
    """
    callers: dict[str, list[str]] = defaultdict(list)
    for caller in order:
        for callee in links.get(caller, ()):
            callers[callee].append(caller)
    visits = dict(arriving)
    found: dict[str, float] = {}
    for name in order:
        if name in visits:
            continue
        possible = sum(visits[caller] for caller in callers[name])
        found[name] = _rounded(min(1.0, wanted[name] / possible)) if possible else 1.0
        visits[name] = possible * found[name]
    return found


def _rounded(share: float) -> float:
    """Four digits are enough for a person to read; never 0, else the service would not be called."""
    return max(round(share, 4), 0.0001)


def wanted_visits(weights: Mapping[str, float], budget: float) -> dict[str, float]:
    """Visits that sum up to the budget: a third of it evenly, so that none is forgotten, the rest by weight."""
    floor = budget / 3 / len(weights)
    unit = budget * 2 / 3 / sum(weights.values())
    return {name: floor + unit * weight for name, weight in weights.items()}


def call_steps(callees: Sequence[str], share_of: Mapping[str, float]) -> list[Step]:
    """Calls to services by their shares, side by side where there are several."""
    leaves = [LeafStep(call=CallStep(service=name, share=share_of[name])) for name in callees]
    groups = [leaves[at : at + _SIDE_BY_SIDE] for at in range(0, len(leaves), _SIDE_BY_SIDE)]
    return [Step(call=group[0].call) if len(group) == 1 else Step(parallel=group) for group in groups]
