"""All probes of an experiment: that of the steady state, those beside it, and those of abort conditions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.probe import Probe
from firedrill.engines.chaos.samples import Sample, Share, between, share
from firedrill.runner.asking import Asking, asking
from firedrill.runner.ports import Clock
from firedrill.runner.prober import Ask, Prober

Make = Callable[[Probe], Asking]


class Panel:
    """Asks all of them from :meth:`start` to :meth:`stop`. ``ask`` asks for the steady state where it is given."""

    def __init__(
        self, clock: Clock, spec: ChaosExperimentSpec, ask: Ask | None = None, make: Make | None = None
    ) -> None:
        self._clock = clock
        self._make = make or asking
        self._questions: list[Asking] = []
        self.steady = self._prober(spec.steady_state.probe, ask)
        self.probes: Mapping[str, Prober] = {each.name: self._prober(each.probe) for each in spec.probes}
        self.conditions: Mapping[str, Prober] = {
            each.name: self._prober(each.own_probe) if each.own_probe else self.steady for each in spec.abort
        }

    def start(self) -> None:
        """Begin to ask."""
        for prober in self._all():
            prober.start()

    async def stop(self) -> None:
        """Ask no more."""
        for prober in self._all():
            await prober.stop()

    async def close(self) -> None:
        """Close all connections."""
        for question in self._questions:
            await question.close()

    @property
    def observed_until(self) -> datetime:
        """All questions sent before this moment have their outcome."""
        return min(prober.observed_until for prober in self._all())

    def _prober(self, probe: Probe, ask: Ask | None = None) -> Prober:
        if ask is None:
            made = self._make(probe)
            self._questions.append(made)
            ask = made
        return Prober(self._clock, probe.interval, ask)

    def _all(self) -> Sequence[Prober]:
        return list(dict.fromkeys([self.steady, *self.probes.values(), *self.conditions.values()]))


def share_of(prober: Prober, start: datetime, end: datetime) -> Share:
    """The share of good answers to what was asked in [start, end)."""
    return share(between(prober.samples, start, end))


def good_seconds(samples: Sequence[Sample], start: datetime, end: datetime) -> list[float]:
    """How long good answers took, of what was asked in [start, end)."""
    return [sample.seconds for sample in between(samples, start, end) if sample.ok]
