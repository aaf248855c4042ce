"""All probes of an experiment: that of the steady state, those beside it, and those of abort conditions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.probe import Probe
from firedrill.engines.chaos.permission import Refusal
from firedrill.engines.chaos.samples import Sample, Share, between, share
from firedrill.runner.asking import Asking, asking
from firedrill.runner.context import RunContext
from firedrill.runner.prober import Ask, Prober

Make = Callable[[Probe], Asking]


class Panel:
    """Asks all of them from :meth:`start` to :meth:`stop`. ``ask`` asks for the steady state where it is given."""

    def __init__(
        self, context: RunContext, spec: ChaosExperimentSpec, ask: Ask | None = None, make: Make | None = None
    ) -> None:
        self._clock = context.clock
        self._make = make or partial(asking, context=context)
        self._questions: list[Asking] = []
        self.steady = self._prober(spec.steady_state.probe, ask)
        self.probes: Mapping[str, Prober] = {each.name: self._prober(each.probe) for each in spec.probes}
        self.conditions: Mapping[str, Prober] = {
            each.name: self._prober(each.own_probe) if each.own_probe else self.steady for each in spec.abort
        }

    async def ready(self) -> Refusal | None:
        """Why one of them can not be asked at all; to be called once, before the first question."""
        for question in self._questions:
            refusal = await question.ready()
            if refusal:
                return refusal
        return None

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
        question = self._make(probe)
        self._questions.append(question)
        return Prober(self._clock, probe.interval, ask or question)

    def _all(self) -> Sequence[Prober]:
        return list(dict.fromkeys([self.steady, *self.probes.values(), *self.conditions.values()]))


def share_of(prober: Prober, start: datetime, end: datetime) -> Share:
    """The share of good answers to what was asked in [start, end)."""
    return share(between(prober.samples, start, end))


def good_seconds(samples: Sequence[Sample], start: datetime, end: datetime) -> list[float]:
    """How long good answers took, of what was asked in [start, end)."""
    return [sample.seconds for sample in between(samples, start, end) if sample.ok]
