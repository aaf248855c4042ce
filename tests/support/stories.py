"""Stories: tests that each take a while and do not disturb each other, told at the same time.

A story is a function that takes the world and asserts. All stories of a module are begun when the first is asked for;
each is a test of its own, which waits for its end.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from support.world import World

Story = Callable[[World], None]


class Stories:
    """The stories of one module, in the order in which they are written."""

    def __init__(self) -> None:
        self._known: dict[str, Story] = {}
        self._told: dict[str, Future[None]] = {}

    def story(self, told: Story) -> Story:
        """Register a story; its name is that of the function."""
        self._known[told.__name__] = told
        return told

    def add(self, name: str, told: Story) -> None:
        """Register a story of a table."""
        self._known[name] = told

    def parametrize(self) -> pytest.MarkDecorator:
        """One test for each story."""
        return pytest.mark.parametrize("name", list(self._known))

    def tell(self, name: str, world: World) -> None:
        """Wait for the end of a story; raises what it raised."""
        if not self._told:
            pool = ThreadPoolExecutor(max_workers=24, thread_name_prefix="story")
            self._told = {each: pool.submit(story, world) for each, story in self._known.items()}
            pool.shutdown(wait=False)
        self._told[name].result()
