"""A fault of a run with the times that it is given, and what is planned of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from firedrill.api.changes import Change
from firedrill.runner.faults.driver import Fault


@dataclass(frozen=True)
class Part:
    """One fault of the run, as it is carried out once.

    ``key`` is on its changes in the record. ``hold`` is how long after the start everything of it is to be undone.
    """

    key: str
    fault: Fault
    duration: timedelta
    hold: timedelta
    #: Whether it brings a fault that is on already to pods that have come since.
    follows: bool = False
    #: How long it may take, from being entered, to be in place.
    starts: timedelta = timedelta()
    #: How much longer than others it may take until its end can be seen.
    settles: timedelta = timedelta()

    @property
    def within(self) -> timedelta:
        """From its being entered until the guardian may begin to wonder why it is not undone."""
        return self.starts + self.hold + self.settles


Planned = Sequence[tuple[Part, Sequence[Change]]]
