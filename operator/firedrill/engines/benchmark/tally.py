"""What workers count, and how their counts become one."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firedrill.engines.common.histogram import Histogram

#: Pieces of time that are compared with each other, to see whether neighbours depend on each other.
BATCHES: Final = 32
_EXAMPLES: Final = 10
_ERROR_LENGTH: Final = 200


@dataclass
class Tally:
    """Counts of one phase of load. ``seconds`` is how long it was meant to last; times are seconds from its start."""

    seconds: float
    lag_allowed: float
    latency: Histogram = field(default_factory=lambda: Histogram(BATCHES))
    first: Histogram = field(default_factory=lambda: Histogram(BATCHES))
    between: Histogram = field(default_factory=lambda: Histogram(BATCHES))
    #: Good answers by the piece of time in which they came; those that came after the end are in none.
    done: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BATCHES, np.int64))
    tokens: int = 0
    late: int = 0
    lag_max: float = 0.0
    blocked: int = 0
    #: The longest of all workers.
    elapsed: float = 0.0
    #: The busiest of all workers.
    busy: float = 0.0
    stopped: bool = False
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(
        self,
        intended: NDArray[np.float64],
        latency: NDArray[np.float64],
        lag: NDArray[np.float64],
        first: NDArray[np.float64],
    ) -> None:
        """Count requests that have ended; latency and first are infinite for those that failed."""
        if not len(intended):
            return
        batch = self.batch(intended)
        self.latency.add(batch, latency)
        self.first.add(batch, first)
        ended = intended + latency
        self.done += np.bincount(self.batch(ended[ended < self.seconds]), minlength=BATCHES)
        self.late += int((lag > self.lag_allowed).sum())
        self.lag_max = max(self.lag_max, float(lag.max()))

    def batch(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """The piece of time of each; what comes after the end belongs to the last."""
        return np.clip(times * (BATCHES / self.seconds), 0, BATCHES - 1).astype(np.int64)

    def failed(self, kind: str, example: str) -> None:
        """Remember how a request failed. Of many ways only the first are told apart."""
        key = (kind, example[:_ERROR_LENGTH])
        if key not in self.errors and len(self.errors) >= _EXAMPLES:
            key = (kind, "others")
        self.errors[key] += 1

    def merge(self, other: "Tally") -> None:
        """Count what another worker has counted in the same phase."""
        for mine, theirs in (
            (self.latency, other.latency),
            (self.first, other.first),
            (self.between, other.between),
        ):
            mine.merge(theirs)
        self.done += other.done
        self.tokens += other.tokens
        self.late += other.late
        self.lag_max = max(self.lag_max, other.lag_max)
        self.blocked += other.blocked
        self.elapsed = max(self.elapsed, other.elapsed)
        self.busy = max(self.busy, other.busy)
        self.stopped |= other.stopped
        self.errors.update(other.errors)

    def to_wire(self) -> dict[str, Any]:
        """JSON-ready, with everything that :meth:`merge` needs."""
        return {
            "seconds": self.seconds,
            "lagAllowed": self.lag_allowed,
            "latency": self.latency.to_wire(),
            "first": self.first.to_wire(),
            "between": self.between.to_wire(),
            "done": self.done.tolist(),
            "tokens": self.tokens,
            "late": self.late,
            "lagMax": self.lag_max,
            "blocked": self.blocked,
            "elapsed": self.elapsed,
            "busy": self.busy,
            "stopped": self.stopped,
            "errors": [[kind, example, count] for (kind, example), count in self.errors.items()],
        }

    @classmethod
    def from_wire(cls, wire: Any) -> "Tally":
        """Read back. Raises ValueError or KeyError where it is none."""
        return cls(
            seconds=float(wire["seconds"]),
            lag_allowed=float(wire["lagAllowed"]),
            latency=Histogram.from_wire(wire["latency"]),
            first=Histogram.from_wire(wire["first"]),
            between=Histogram.from_wire(wire["between"]),
            done=np.array(wire["done"], np.int64),
            tokens=int(wire["tokens"]),
            late=int(wire["late"]),
            lag_max=float(wire["lagMax"]),
            blocked=int(wire["blocked"]),
            elapsed=float(wire["elapsed"]),
            busy=float(wire["busy"]),
            stopped=bool(wire["stopped"]),
            errors=Counter({(kind, example): count for kind, example, count in wire["errors"]}),
        )


@dataclass(frozen=True)
class PodUsage:
    """The most that the metrics API told of any serving pod; ``samples`` is how often it was asked with success."""

    pods: int
    samples: int
    memory_bytes: float | None
    cpu_cores: float | None
    problem: str = ""


@dataclass(frozen=True)
class Phase:
    """A load at one rate (open) or concurrency (closed), with its counts. ``rate`` is what was asked for."""

    tally: Tally
    rate: float | None = None
    concurrency: int | None = None

    @property
    def shown(self) -> str:
        """What it was, for people."""
        return f"{self.rate:.4g} requests a second" if self.rate is not None else f"{self.concurrency} clients"
