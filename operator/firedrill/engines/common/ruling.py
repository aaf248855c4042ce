"""A verdict, and the chain of policies that it comes from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from firedrill.api.verdict import Verdict

E = TypeVar("E")


@dataclass(frozen=True)
class Decision:
    """A verdict with its reason and the sentence for people."""

    verdict: Verdict
    reason: str
    message: str


def first_decision(chain: Iterable[Callable[[E], Decision | None]], evidence: E) -> Decision:
    """What the first policy says that has something to say; the last one of a chain decides everything."""
    for policy in chain:
        decision = policy(evidence)
        if decision is not None:
            return decision
    raise AssertionError("the last policy of the chain decides everything")
