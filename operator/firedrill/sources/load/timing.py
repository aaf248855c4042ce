"""An event loop whose timers are as exact as the kernel's."""

import asyncio
import select
import selectors

#: select() takes no descriptor above this.
_SELECT_LIMIT = 1024


class ExactSelector(selectors.DefaultSelector):
    """Wakes within microseconds of a timer.

    epoll counts in whole milliseconds and rounds up, so that every request of an open loop would leave late by half a
    millisecond, and its latency count from before it left. The epoll descriptor itself can be waited for by select(),
    which counts in microseconds.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Ready descriptors, waiting at most ``timeout`` seconds."""
        fileno = getattr(self, "fileno", None)
        if timeout is not None and timeout > 0 and fileno is not None and fileno() < _SELECT_LIMIT:
            select.select([fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def exact_loop() -> asyncio.AbstractEventLoop:
    """A new event loop with exact timers, for :class:`asyncio.Runner`."""
    return asyncio.SelectorEventLoop(ExactSelector())
