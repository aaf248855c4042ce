"""A chain of small policies: the first that has something to say decides."""

from collections.abc import Callable, Iterable
from typing import TypeVar

I = TypeVar("I")  # noqa: E741 - the input of a policy; a longer name says no more
O = TypeVar("O")  # noqa: E741


def first_of(policies: Iterable[Callable[[I], O | None]], given: I) -> O | None:
    """The answer of the first policy that has one, in order; None where none has."""
    for policy in policies:
        answer = policy(given)
        if answer is not None:
            return answer
    return None
