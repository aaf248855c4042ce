"""What an experiment has seen, from which verdict, measurements and findings follow."""

from dataclasses import dataclass
from datetime import datetime

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.engines.chaos.judged import Judged
from firedrill.engines.chaos.outcome import EngineOutcome
from firedrill.engines.chaos.recovery import Recovery
from firedrill.engines.chaos.samples import Share


@dataclass(frozen=True)
class Observation:
    """An experiment whose fault was put in place, after its end.

    ``proven`` is the fault's own evidence that it took effect (packets counted, pods seen gone), apart from what
    the probe saw. ``undone`` is whether everything was seen undone. ``aborted`` is the operator's reason to stop
    early. ``reverted`` names targets whose fault somebody else took away before its time. ``cut_short`` says
    that the run's own deadline came before the recovery timeout. ``broken`` is reason and sentence of a fault that
    could not be put in place after others had been. ``abort_met`` tells of the condition that ended the run. ``judged``
    are measurements beside those of the steady state. ``unproven`` names steps that had no proof of their own.
    Of an experiment that is repeated, times are those of the last repetition, and ``during`` is all of them.
    """

    spec: ChaosExperimentSpec
    before: Share
    during: Share
    after: Share
    fault_start: datetime
    fault_end: datetime
    first_failure: datetime | None
    recovery: Recovery | None
    targets: int
    proven: bool
    undone: bool
    undo_evidence: str = ""
    aborted: str = ""
    reverted: tuple[str, ...] = ()
    cut_short: bool = False
    dropped_packets: int | None = None
    broken: tuple[str, str] | None = None
    abort_met: str = ""
    judged: tuple[Judged, ...] = ()
    unproven: tuple[str, ...] = ()
    healing_seconds: float | None = None
    engine: EngineOutcome | None = None

    @property
    def recovery_seconds(self) -> float | None:
        """From the end of the fault until the steady state held again."""
        return (self.recovery.at - self.fault_end).total_seconds() if self.recovery else None

    @property
    def detection_seconds(self) -> float | None:
        """From the injection until the probe had its first failure."""
        return (self.first_failure - self.fault_start).total_seconds() if self.first_failure else None

    @property
    def fault_seconds(self) -> float:
        """How long the fault was on; 0 for one that happens at an instant."""
        return (self.fault_end - self.fault_start).total_seconds()

    @property
    def observed(self) -> bool:
        """Whether the fault was seen to take effect: by its own proof, or by answers that are worse than before.

        One failed request may have failed anyway: the intervals of before and during must not touch.
        """
        return self.proven or self.during.interval()[1] < self.before.interval()[0]

    @property
    def instant(self) -> bool:
        """Whether the fault is an event rather than a state: a killed pod is not killed for ten seconds."""
        return all(fault.about.instant for fault in self.spec.faults)

    @property
    def what(self) -> str:
        """The faults by name."""
        return ", ".join(dict.fromkeys(fault.name for fault in self.spec.faults))

    @property
    def proof(self) -> str:
        """What would prove the faults."""
        return "; ".join(dict.fromkeys(fault.about.proven for fault in self.spec.faults))
