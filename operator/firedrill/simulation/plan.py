"""From a spec to what is built: the graph with its changes, objectives, settings, load, extended resources."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml
from pydantic import ValidationError

from firedrill.api.errors import InvalidInput, describe
from firedrill.api.objective import Slo
from firedrill.api.servicegraph import Graph, Service
from firedrill.api.simulation import ExtendedResource, Load, Override, SimulationSpec
from firedrill.simulation import faked, generators, industries
from firedrill.simulation.checking import check_spec, problems


@dataclass(frozen=True)
class Plan:
    """What a simulation is to be."""

    graph: Graph
    slos: Sequence[Slo] = ()
    settings: dict[str, str] = field(default_factory=dict)
    load: Load = field(default_factory=Load)
    extended_resources: Sequence[ExtendedResource] = ()
    faked_nodes: int = 0


def parse_graph(text: str, place: str) -> Graph:
    """A graph written as YAML; raises InvalidInput that names the place."""
    try:
        return Graph.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InvalidInput(f"{place}: not YAML: {error}") from error
    except ValidationError as error:
        raise InvalidInput(describe(error, place)) from error


def make_plan(spec: SimulationSpec, referenced: str = "") -> Plan:
    """The plan of a spec; ``referenced`` is the text of the ConfigMap's key where the graph is there.

    Raises InvalidInput that names every place that is wrong.
    """
    base = _base(spec, referenced)
    graph = faked.chosen(_overridden(base.graph, spec.overrides), spec.faked)
    slos = spec.slos or base.slos
    found = problems(graph) or check_spec(base.graph, slos, spec.flags, spec.overrides)
    found = found or faked.problems(graph, spec.faked, spec.flags)
    if found:
        raise InvalidInput("; ".join(found))
    given = spec.model_fields_set
    return Plan(
        graph,
        slos,
        {**base.settings, **spec.settings},
        spec.load if "load" in given else base.load,
        spec.extended_resources or base.extended_resources,
        spec.faked.nodes if spec.faked else 0,
    )


def _base(spec: SimulationSpec, referenced: str) -> Plan:
    source = spec.source
    if source.industry:
        made = industries.build(source.industry, spec.seed)
        return Plan(made.graph, made.slos, dict(made.settings), made.load, made.extended_resources)
    if source.generate:
        return Plan(generators.generate(source.generate, spec.seed))
    if source.config_map:
        return Plan(parse_graph(referenced, "spec.source.configMap"))
    assert source.graph is not None  # the model lets no empty source pass
    return Plan(source.graph)


def _overridden(graph: Graph, overrides: Sequence[Override]) -> Graph:
    changes = {override.service: override for override in overrides}
    services = [_changed(service, changes.get(service.name)) for service in graph.services]
    return graph.model_copy(update={"services": services})


def _changed(service: Service, override: Override | None) -> Service:
    if override is None:
        return service
    update: dict[str, object] = {"options": {**service.options, **override.options}}
    if override.replicas is not None:
        update["replicas"] = override.replicas
    if override.resources is not None:
        update["resources"] = override.resources
    return service.model_copy(update=update)
