"""Measurements beside those of the steady state, from what all probes have answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from firedrill.api.chaosexperiment import ChaosExperimentSpec
from firedrill.api.shape import When
from firedrill.engines.chaos import comparing, rounds
from firedrill.engines.chaos.aborting import AbortLook
from firedrill.engines.chaos.judged import Judged
from firedrill.engines.chaos.probing import ProbeSeen
from firedrill.engines.chaos.rounds import Round
from firedrill.engines.chaos.samples import Share, joined
from firedrill.runner.panel import Panel, good_seconds, share_of
from firedrill.runner.prober import Prober

#: From a moment until just before another.
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Spans:
    """The times that are judged: ``during`` has one for each repetition, ``after`` is the window of recovery."""

    before: Span
    during: Sequence[Span]
    after: Span


def judged(
    spec: ChaosExperimentSpec, panel: Panel, spans: Spans, aborts: Sequence[AbortLook], seen: Sequence[Round]
) -> list[Judged]:
    """All that is asked for beside the steady state."""
    found = [each.judged() for each in aborts]
    for probe in spec.probes:
        found += ProbeSeen(probe, _shares(panel.probes[probe.name], spans)).judged()
    samples = panel.steady.samples
    found += comparing.judge(
        spec.steady_state.compare,
        share_of(panel.steady, *spans.before),
        joined(each.during for each in seen),
        good_seconds(samples, *spans.before),
        [seconds for span in spans.during for seconds in good_seconds(samples, *span)],
    )
    return found + rounds.judge(seen, spec.repeat)


def _shares(prober: Prober, spans: Spans) -> Mapping[When, Share]:
    return {
        When.BEFORE: share_of(prober, *spans.before),
        When.DURING: joined(share_of(prober, *span) for span in spans.during),
        When.AFTER: share_of(prober, *spans.after),
        When.CONTINUOUS: share_of(prober, spans.before[0], prober.observed_until),
    }
