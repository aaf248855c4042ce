"""Graphs drawn from a seed: repeatable, sound, every service called, and the load of a request bounded."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.simulation import Generator, GeneratorModel
from firedrill.simulation.checking import problems
from firedrill.simulation.generators import generate
from firedrill.simulation.links import shares, wanted_visits
from firedrill.simulation.topology import calls_per_request, depth, edges, visits

GENERATORS = st.builds(
    Generator,
    model=st.sampled_from(GeneratorModel),
    services=st.integers(2, 300),
    links=st.integers(1, 8),
    depth=st.integers(2, 12),
)
SEEDS = st.integers(0, 2**31 - 1)


@settings(max_examples=60)
@given(generator=GENERATORS, seed=SEEDS)
def test_any_graph_is_sound_and_calls_every_service_within_bounds(generator: Generator, seed: int) -> None:
    graph = generate(generator, seed)
    assert problems(graph) == []
    assert len(graph.services) == generator.services
    assert set(visits(graph)) == {service.name for service in graph.services}
    assert calls_per_request(graph) <= 15


@settings(max_examples=30)
@given(generator=GENERATORS, seed=SEEDS)
def test_the_same_seed_gives_the_same_graph(generator: Generator, seed: int) -> None:
    assert generate(generator, seed) == generate(generator, seed)


@pytest.mark.parametrize("model", GeneratorModel)
def test_another_seed_gives_another_graph(model: GeneratorModel) -> None:
    generator = Generator(model=model, services=50)
    assert generate(generator, 1) != generate(generator, 2)


@pytest.mark.parametrize(
    ("model", "first_edges"),
    [
        (
            GeneratorModel.BARABASI_ALBERT,
            [("00", "01"), ("00", "02"), ("00", "03"), ("00", "04"), ("00", "05"), ("00", "06")],
        ),
        (
            GeneratorModel.TRACE_LIKE,
            [("00", "01"), ("00", "02"), ("00", "03"), ("00", "04"), ("00", "05"), ("00", "06")],
        ),
    ],
)
def test_a_seed_means_the_same_in_every_process(model: GeneratorModel, first_edges: list[tuple[str, str]]) -> None:
    """Drawn once and written down: Python's own hashes differ from process to process, and must play no part."""
    drawn = edges(generate(Generator(model=model, services=12, depth=3), 7))
    assert [(edge.source[-2:], edge.target[-2:]) for edge in drawn][:6] == first_edges


@pytest.mark.parametrize("model", GeneratorModel)
def test_the_largest_graph_is_sound(model: GeneratorModel) -> None:
    graph = generate(Generator(model=model, services=1000, links=8, depth=12), 3)
    assert problems(graph) == []
    assert calls_per_request(graph) <= 15


@pytest.mark.parametrize("links", [1, 2, 5])
def test_barabasi_albert_gives_each_new_service_as_many_callers_as_asked(links: int) -> None:
    graph = generate(Generator(model=GeneratorModel.BARABASI_ALBERT, services=200, links=links), 11)
    callers = Counter(edge.target for edge in edges(graph))
    assert [callers[service.name] for service in graph.services] == [min(links, at) for at in range(200)]


def test_barabasi_albert_has_hubs() -> None:
    graph = generate(Generator(model=GeneratorModel.BARABASI_ALBERT, services=400, links=2), 11)
    fan_out = sorted(Counter(edge.source for edge in edges(graph)).values(), reverse=True)
    # Half of the calls leave from less than a fifth of the services: in a random graph it would be far more of them.
    assert sum(fan_out[:80]) > sum(fan_out) / 2


@pytest.mark.parametrize("wanted", [2, 5, 12])
def test_trace_like_is_as_deep_as_asked(wanted: int) -> None:
    assert depth(generate(Generator(model=GeneratorModel.TRACE_LIKE, services=200, depth=wanted), 5)) == wanted


def test_a_small_trace_like_graph_is_a_chain_where_it_can_not_be_deeper() -> None:
    assert depth(generate(Generator(model=GeneratorModel.TRACE_LIKE, services=4, depth=12), 5)) == 3


@pytest.mark.parametrize("seed", range(5))
def test_trace_like_is_a_tree_with_hot_spots(seed: int) -> None:
    graph = generate(Generator(model=GeneratorModel.TRACE_LIKE, services=200, depth=6), seed)
    callers = Counter(edge.target for edge in edges(graph))
    hot = {name for name, count in callers.items() if count > 1}
    assert len(hot) == 10
    assert all(count == 1 for name, count in callers.items() if name not in hot)
    load = visits(graph)
    assert sum(load[name] for name in hot) / len(hot) > 2 * sum(load.values()) / len(load)


@pytest.mark.parametrize("seed", range(5))
def test_trace_like_has_most_services_near_the_entries_and_a_few_that_call_many(seed: int) -> None:
    graph = generate(Generator(model=GeneratorModel.TRACE_LIKE, services=400, depth=6), seed)
    called: dict[str, list[str]] = {}
    for edge in edges(graph):
        called.setdefault(edge.source, []).append(edge.target)
    layer, sizes = {entry.service for entry in graph.entries}, []
    seen = set(layer)
    while layer:
        layer = {name for caller in layer for name in called.get(caller, [])} - seen
        seen |= layer
        sizes.append(len(layer))
    assert sum(sizes[:2]) > sum(sizes) / 2
    fan_out = sorted((len(names) for names in called.values()), reverse=True)
    assert fan_out[0] > 5 * fan_out[len(fan_out) // 2]


def test_each_service_has_the_replicas_that_are_asked_and_nothing_else_changes() -> None:
    one, three = (
        generate(Generator(model=GeneratorModel.TRACE_LIKE, services=30, replicas=replicas), 7) for replicas in (1, 3)
    )
    assert {service.replicas for service in three.services} == {3}
    assert [service.model_copy(update={"replicas": 1}) for service in three.services] == one.services


def test_shares_give_each_service_the_visits_that_are_wanted() -> None:
    links = {"a": ["b", "c"], "b": ["c"]}
    found = shares(["a", "b", "c"], links, {"a": 1.0}, {"b": 0.5, "c": 0.3})
    assert found == {"b": 0.5, "c": 0.2}


def test_a_share_is_never_more_than_all_requests_and_never_none() -> None:
    assert shares(["a", "b", "c"], {"a": ["b"], "b": ["c"]}, {"a": 0.5}, {"b": 2.0, "c": 1e-9}) == {
        "b": 1.0,
        "c": 0.0001,
    }


def test_wanted_visits_are_the_budget_and_forget_nobody() -> None:
    found = wanted_visits({"hot": 98.0, "cold": 1.0, "frozen": 0.0}, 9.0)
    assert sum(found.values()) == pytest.approx(9.0)
    assert found["frozen"] == pytest.approx(1.0)
    assert found["hot"] > found["cold"] > found["frozen"]
