"""Services in layers, each called from the layer above: the part of an industry whose links are drawn from the seed."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from firedrill.api.servicegraph import Service, Step
from firedrill.simulation.industries.blueprint import endpoint, service, time
from firedrill.simulation.links import call_steps, shares, wanted_visits

#: Share of the services of a layer that a second caller is drawn for.
_SHARED = 0.25

#: Errors that these services make by themselves; small against what objectives allow.
_ERROR_RATE = 0.00002

Layers = Sequence[Sequence[str]]


def _anyone(_caller: str, _callee: str) -> bool:
    return True


def layered(
    rng: Random,
    layers: Layers,
    budget: float,
    related: Callable[[str, str], bool] = _anyone,
    extras: Mapping[str, Mapping[str, object]] | None = None,
) -> tuple[list[Step], list[Service]]:
    """Services in layers, and the steps that lead into the first layer.

    A request that runs these steps causes ``budget`` calls at most, in the mean. Each service is called by a related
    one of the layer above, some by one more of any layer above; all layers are visited about as often. ``extras``
    holds further fields of services by name.
    """
    entry = ""
    order = [entry, *(name for layer in layers for name in layer)]
    links: dict[str, list[str]] = {name: [] for name in order}
    above: list[str] = [entry]
    passed: list[str] = []
    weights: dict[str, float] = {}
    for layer in layers:
        for name in layer:
            callers = [caller for caller in above if caller == entry or related(caller, name)]
            first = rng.choice(callers or above)
            links[first].append(name)
            others = [caller for caller in passed if caller != first]
            if others and rng.random() < _SHARED:
                links[rng.choice(others)].append(name)
            weights[name] = rng.uniform(0.5, 1.5) / len(layer)
        passed += layer
        above = list(layer)
    share_of = shares(order, links, {entry: 1.0}, wanted_visits(weights, budget))
    services = [
        _service(rng, name, call_steps(links[name], share_of), (extras or {}).get(name, {})) for name in order[1:]
    ]
    return call_steps(links[entry], share_of), services


def _service(rng: Random, name: str, script: list[Step], extra: Mapping[str, object]) -> Service:
    median = rng.uniform(0.5, 2.5)
    own = time(round(median, 1), round(median * rng.uniform(3, 8), 1))
    path = "/" + name.rsplit("-", 1)[-1]
    return service(name, endpoint(path, *script, latency=own, error_rate=_ERROR_RATE), **extra)
