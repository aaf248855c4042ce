"""Large service graphs drawn from a seed: the same seed gives the same graph.

Barabasi-Albert is preferential attachment: a new service is called by services that already call many.

The trace-like model has the shape that studies of production traces agree on: call graphs are trees rather than
meshes, most are shallow and few are deep, fan-out is heavy-tailed, and a small share of hot-spot services is shared by
most call graphs (Luo et al., "Characterizing Microservice Dependency and Performance: Alibaba Trace Analysis",
ACM SoCC 2021, doi:10.1145/3472883.3487003). The numbers here are chosen for that shape, not fitted to that data set.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import Final

from firedrill.api.servicegraph import Endpoint, Entry, Graph, Latency, Service, Step
from firedrill.api.simulation import Generator, GeneratorModel
from firedrill.simulation.links import Links, call_steps, shares, wanted_visits

PATH: Final = "/invoke"

#: Calls that one request causes at most, in the mean.
_BUDGET = 12.0

_SERVICES_PER_ENTRY = 40
#: How many services of a layer there are for one in the layer above, towards the leaves.
_NARROWING = 0.6
_FAN_OUT_TAIL = 1.2
_HOT_SHARE = 0.05
_HOT_CALLERS = 16
_HOT_WEIGHT = 20.0


Draft = tuple[int, Links, Mapping[str, float]]
"""How many services load comes in at, the calls, and how much each other service is in demand."""


def generate(generator: Generator, seed: int) -> Graph:
    """The graph that a generator draws from a seed."""
    rng = Random(f"{generator.model}/{seed}")  # noqa: S311 - repeatable on purpose, guards nothing
    names = [f"service-{number:03d}" for number in range(generator.services)]
    if generator.model is GeneratorModel.BARABASI_ALBERT:
        draft = _barabasi_albert(rng, names, generator.links)
    else:
        draft = _trace_like(rng, names, generator.depth)
    return _graph(rng, names, draft, generator.replicas)


def _barabasi_albert(rng: Random, names: Sequence[str], links: int) -> Draft:
    """Calls from older to newer services, which rules out cycles."""
    calls: dict[str, list[str]] = {name: [] for name in names}
    ends = [names[0]]
    for number, name in enumerate(names[1:], start=1):
        callers: set[str] = set()
        while len(callers) < min(links, number):
            callers.add(rng.choice(ends))
        for caller in sorted(callers):
            calls[caller].append(name)
            ends += (caller, name)
    return 1, calls, {name: 1.0 + len(calls[name]) for name in names[1:]}


def _trace_like(rng: Random, names: Sequence[str], depth: int) -> Draft:
    """Calls from layer to layer; demand is less with depth, and most for hot spots."""
    layers = _layers(names, depth)
    calls: dict[str, list[str]] = {name: [] for name in names}
    weights: dict[str, float] = {}
    for level, (above, layer) in enumerate(pairwise(layers), start=1):
        attraction = [rng.paretovariate(_FAN_OUT_TAIL) for _ in above]
        for name in layer:
            calls[rng.choices(above, attraction)[0]].append(name)
            weights[name] = rng.uniform(0.5, 1.5) / level
    deep = [(level, name) for level, layer in enumerate(layers) if level >= 2 for name in layer]
    for level, name in rng.sample(deep, min(len(deep), round(len(names) * _HOT_SHARE))):
        possible = [caller for layer in layers[:level] for caller in layer if name not in calls[caller]]
        for caller in rng.sample(possible, min(len(possible), _HOT_CALLERS)):
            calls[caller].append(name)
        weights[name] += _HOT_WEIGHT / level
    return len(layers[0]), calls, weights


def _layers(names: Sequence[str], depth: int) -> list[Sequence[str]]:
    """The services by the length of the chain that leads to them: entries first, then fewer and fewer."""
    entries = max(1, len(names) // _SERVICES_PER_ENTRY)
    below = len(names) - entries
    parts = [_NARROWING**level for level in range(min(depth, below))]
    spare = below - len(parts)
    sizes = [1 + int(spare * part / sum(parts)) for part in parts]
    sizes[0] += below - sum(sizes)
    ends = list(accumulate((entries, *sizes)))
    return [names[start:end] for start, end in pairwise((0, *ends))]


def _graph(rng: Random, names: Sequence[str], draft: Draft, replicas: int) -> Graph:
    entries, links, weights = draft
    arriving = dict.fromkeys(names[:entries], 1.0 / entries)
    share_of = shares(names, links, arriving, wanted_visits(weights, _BUDGET))
    services = [_service(rng, name, call_steps(links[name], share_of), replicas) for name in names]
    return Graph(services=services, entries=[Entry(service=name, path=PATH) for name in arriving])


def _service(rng: Random, name: str, calls: list[Step], replicas: int) -> Service:
    median = timedelta(milliseconds=rng.randint(1, 4))
    latency = Latency(median=median, p99=median * rng.randint(3, 8))
    endpoint = Endpoint(path=PATH, latency=latency, response_bytes=rng.choice((128, 256, 512, 1024)), script=calls)
    return Service(name=name, replicas=replicas, endpoints=[endpoint])
