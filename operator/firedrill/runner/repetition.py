"""What was seen of one repetition of an experiment, while it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from firedrill.api.changes import Change
from firedrill.api.chaosexperiment import SteadyState
from firedrill.api.record import Record
from firedrill.engines.chaos.outcome import EngineOutcome
from firedrill.engines.chaos.recovery import Recovery
from firedrill.engines.chaos.rounds import Round, find_self_healing
from firedrill.engines.chaos.samples import between, first_failure, share
from firedrill.runner.faults.driver import Engine, Fault
from firedrill.runner.planned import Part
from firedrill.runner.prober import Prober


@dataclass
class Repetition:
    """Its parts by their keys in the record, and their times. ``instant`` is whether all faults are events."""

    instant: bool
    parts: dict[str, Part] = field(default_factory=dict)
    undone_at: dict[str, datetime] = field(default_factory=dict)
    began: datetime | None = None
    first_end: datetime | None = None
    during_end: datetime | None = None
    recovery: Recovery | None = None
    watched: bool = False

    def begin(self, parts: Sequence[Part], now: datetime) -> None:
        """These parts are about to be carried out."""
        self.parts.update({part.key: part for part in parts})
        self.began = self.began or now

    def hit(self, record: Record | None) -> list[Change]:
        """The changes of this repetition that took effect."""
        changes = record.changes if record else ()
        return [change for change in changes if change.step in self.parts and change.applied_at]

    def applied_times(self, record: Record | None) -> list[datetime]:
        """When they did; where a fault followed pods that came later, that is another question."""
        return [
            change.applied_at
            for change in self.hit(record)
            if change.applied_at and not self.parts[change.step].follows
        ]

    def fault_end(self, record: Record, now: datetime) -> datetime:
        """When the faults had ended everywhere, as far as it is known."""
        return max(
            self.fault_of(change).ended_at(change, self.undone_at.get(change.step) or record.undone_at or now)
            for change in self.hit(record)
        )

    def fault_of(self, change: Change) -> Fault:
        """What has carried out a change."""
        return self.parts[change.step].fault

    def engine(self, record: Record | None) -> EngineOutcome | None:
        """What other engines say of what they have carried out; of several, the first that has a verdict."""
        engines = (self.fault_of(change) for change in self.hit(record))
        found = [fault.outcome() for fault in engines if isinstance(fault, Engine)]
        return next((each for each in found if each.verdict), found[0] if found else None)

    def seen(self, record: Record, prober: Prober, state: SteadyState, now: datetime) -> Round:
        """The repetition as it is judged, once its faults are over."""
        times = self.applied_times(record)
        start, samples = min(times), prober.samples
        fault_end = self.fault_end(record, now)
        during = between(samples, start, self.during_end or now)
        healed = find_self_healing(
            samples, start, self.first_end or now, state.window, state.min_success_rate, prober.observed_until
        )
        if self.instant and self.recovery and first_failure(samples, start):
            healed = self.recovery.at  # nobody has undone anything
        return Round(
            began=self.began or start,
            fault_start=start,
            last_applied=max(times),
            fault_end=fault_end,
            during=share(during),
            first_failure=first_failure(during, start),
            recovery=self.recovery,
            self_healed=healed,
        )
