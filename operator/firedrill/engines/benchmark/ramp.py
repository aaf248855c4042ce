"""The search for the knee: the highest rate at which every limit holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from firedrill.api.performancebenchmark import Ramp


@dataclass(frozen=True)
class Step:
    """A rate that was tried; ``held`` is None where it is undecided."""

    rate: float
    held: bool | None


def next_rate(ramp: Ramp, steps: Sequence[Step]) -> float | None:
    """The rate to try next; None where the search is over.

    Rates grow by the factor until one does not hold (undecided counts as not holding), then the gap between the highest
    that held and the lowest that did not is halved as often as ``refinements`` says.
    """
    if not steps:
        return ramp.start
    broken = [step.rate for step in steps if step.held is not True]
    held = [step.rate for step in steps if step.held is True]
    if not broken:
        return None if steps[-1].rate >= ramp.end else min(steps[-1].rate * ramp.factor, ramp.end)
    if not held:
        return None
    first_broken = next(i for i, step in enumerate(steps) if step.held is not True)
    if len(steps) - first_broken - 1 >= ramp.refinements:
        return None
    low, high = max(rate for rate in held if rate < min(broken)), min(broken)
    return (low + high) / 2


def knee(steps: Sequence[Step]) -> float | None:
    """The highest rate below every one that did not hold; None where not even the first did."""
    broken = min((step.rate for step in steps if step.held is not True), default=float("inf"))
    return max((step.rate for step in steps if step.held is True and step.rate < broken), default=None)
