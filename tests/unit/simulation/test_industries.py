"""Industries: sound for any seed, repeatable, of the promised size, depth and cost, with the promised parts."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firedrill.api.servicegraph import BrokerKind, Service
from firedrill.api.simulation import Industry, IndustryName, Size
from firedrill.simulation.checking import check_spec, problems
from firedrill.simulation.industries import Blueprint, build
from firedrill.simulation.roles import ROLES
from firedrill.simulation.topology import Edge, EdgeKind, calls_per_request, depth, edges, steps_of, visits

ALL = list(product(IndustryName, Size))
SEEDS = st.integers(0, 2**31 - 1)


def made(name: str, size: str, seed: int = 42) -> Blueprint:
    return build(Industry(name=IndustryName(name), size=Size(size)), seed)


def services(blueprint: Blueprint) -> dict[str, Service]:
    return {service.name: service for service in blueprint.graph.services}


@settings(max_examples=80)
@given(of=st.sampled_from(ALL), seed=SEEDS)
def test_any_industry_is_sound_and_of_bounded_cost(of: tuple[str, str], seed: int) -> None:
    blueprint = made(*of, seed)
    assert problems(blueprint.graph) == []
    assert check_spec(blueprint.graph, blueprint.slos, [], []) == []
    assert calls_per_request(blueprint.graph) <= 15


@pytest.mark.parametrize("of", ALL)
def test_the_same_seed_gives_the_same_industry(of: tuple[str, str]) -> None:
    assert made(*of) == made(*of)


@pytest.mark.parametrize("name", IndustryName)
def test_another_seed_gives_other_calls_between_the_same_services(name: str) -> None:
    one, other = made(name, "Full", 1), made(name, "Full", 2)
    assert one.graph != other.graph
    assert list(services(one)) == list(services(other))


@pytest.mark.parametrize("name", IndustryName)
def test_the_full_size_has_all_that_the_small_one_has(name: str) -> None:
    assert set(services(made(name, "Small"))) < set(services(made(name, "Full")))


@pytest.mark.parametrize(
    ("name", "size", "count", "least_depth"),
    [
        ("finance", "Small", 14, 2),
        ("finance", "Full", 200, 5),
        ("healthcare", "Small", 12, 2),
        ("healthcare", "Full", 40, 3),
        ("iot", "Small", 12, 1),
        ("iot", "Full", 40, 3),
    ],
)
def test_size_and_depth(name: str, size: str, count: int, least_depth: int) -> None:
    graph = made(name, size).graph
    assert len(graph.services) == count
    assert depth(graph) >= least_depth


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_whole_bank_is_deep_and_every_service_of_it_works(seed: int) -> None:
    graph = made("finance", "Full", seed).graph
    assert depth(graph) >= 5
    load = visits(graph)
    idle = {service.name for service in graph.services if service.name not in load}
    assert idle == {"reconciliation"}, "what acts by itself is the only one that no request leads to"
    # At 20 requests per second, half an hour shows each of them several times.
    assert min(load.values()) * 20 * 1800 > 10


@pytest.mark.parametrize("size", Size)
def test_a_payment_is_scored_booked_and_settled(size: str) -> None:
    blueprint = made("finance", size)
    path = {
        Edge("gateway", "fraud", EdgeKind.CALL),
        Edge("fraud", "fraud-model", EdgeKind.CALL),
        Edge("gateway", "ledger", EdgeKind.CALL),
        Edge("ledger", "settlement", EdgeKind.MESSAGE),
        Edge("settlement", "notifications", EdgeKind.MESSAGE),
    }
    assert path <= set(edges(blueprint.graph))
    found = services(blueprint)
    assert found["fraud-model"].role == "model"
    assert found["reconciliation"].role == "reconcile"
    operations = {name: {step.query.operation for _, step in steps_of(found[name]) if step.query}
                  for name in ("ledger", "settlement")}  # fmt: skip
    assert operations == {"ledger": {"transfer", "read"}, "settlement": {"settle"}}


@pytest.mark.parametrize("size", Size)
def test_the_bank_has_what_its_faults_need(size: str) -> None:
    blueprint = made("finance", size)
    found = services(blueprint)
    (kafka,) = blueprint.graph.brokers
    assert kafka.kind is BrokerKind.KAFKA
    assert all(4 <= topic.partitions <= 8 for topic in kafka.topics)
    assert {database.table_model for database in blueprint.graph.databases} == {"ledger"}
    assert {name for name in ("gateway", "card-vault", "ledger") if found[name].options == {"audit": "pci"}} == {
        "gateway", "card-vault", "ledger",
    }  # fmt: skip
    assert found["fx-rates"].autoscaling is not None
    assert found["fees"].settings
    assert found["limits"].settings
    assert "version" in blueprint.settings


@pytest.mark.parametrize(("name", "size"), ALL)
def test_computing_is_cheap(name: str, size: str) -> None:
    costs = [
        step.compute.median.total_seconds()
        for service in made(name, size).graph.services
        for _, step in steps_of(service)
        if step.compute
    ]
    assert costs
    assert max(costs) <= 0.0005


def test_every_role_is_played_in_some_industry() -> None:
    played = {service.role for name, size in ALL for service in made(name, size).graph.services}
    assert played == set(ROLES)


@pytest.mark.parametrize(("size", "devices"), [("Small", "200"), ("Full", "5000")])
def test_the_fleet_has_a_gateway_for_each_of_its_zones(size: str, devices: str) -> None:
    blueprint = made("iot", size)
    found = services(blueprint)
    fleet = found["device-fleet"].options
    gateways = [service.options["zone"] for service in found.values() if service.role == "edge-gateway"]
    assert fleet["devices"] == devices
    assert sorted(gateways) == sorted(fleet["zones"].split(","))


def test_gpu_workers_ask_for_what_nodes_are_made_to_offer() -> None:
    blueprint = made("iot", "Small")
    (offered,) = blueprint.extended_resources
    assert offered.per_node == 2
    asked = services(blueprint)["route-planner"].resources
    assert asked.requests[offered.name] == asked.limits[offered.name] == "1"


@pytest.mark.parametrize("size", Size)
def test_prescriptions_are_called_with_tls_by_a_service_that_knows_the_issuer(size: str) -> None:
    found = services(made("healthcare", size))
    assert found["prescriptions"].role == "tls-service"
    assert Edge("orders", "prescriptions", EdgeKind.CALL) in edges(made("healthcare", size).graph)
    assert found[found["orders"].calls[0]].role == "mesh-ca"
