import ipaddress

import pytest

from firedrill.lab.addresses import BLOCKS, FIRST_BLOCK, MOST_CLUSTERS, Addresses, allocation_lock, choose
from firedrill.lab.errors import LabError


def test_the_same_lab_gets_the_same_block() -> None:
    assert choose("abc123", []) == choose("abc123", [])


def test_a_taken_block_is_passed_over() -> None:
    first = choose("abc123", [])
    second = choose("abc123", [str(first.network)])
    assert second.block != first.block


@pytest.mark.parametrize("used", ["10.{}.0.0/24", "10.{}.200.7/32", "10.{}.0.0/15"])
def test_any_overlap_counts_as_taken(used: str) -> None:
    block = choose("abc123", []).block
    network = ipaddress.ip_network(used.format(block), strict=False)
    assert not choose("abc123", [str(network)]).network.overlaps(network)


def test_default_routes_and_ipv6_take_nothing() -> None:
    assert choose("abc123", ["0.0.0.0/0", "fd00::/8"]) == choose("abc123", [])


def test_when_all_are_taken_it_says_so() -> None:
    with pytest.raises(LabError, match="take a lab down"):
        choose("abc123", ["10.0.0.0/8"])


def test_no_two_networks_of_a_lab_overlap() -> None:
    lab = Addresses(block=FIRST_BLOCK)
    networks = [lab.nodes, lab.services, *(lab.pods(index) for index in range(MOST_CLUSTERS))]
    parsed = [ipaddress.ip_network(network) for network in networks]
    for index, one in enumerate(parsed):
        assert one.subnet_of(lab.network)
        assert not any(one.overlaps(other) for other in parsed[index + 1 :])


def test_services_and_nodes_lie_in_their_networks() -> None:
    lab = Addresses(block=FIRST_BLOCK + BLOCKS - 1)
    services, nodes = ipaddress.ip_network(lab.services), ipaddress.ip_network(lab.nodes)
    assert ipaddress.ip_address(lab.dns) in services
    assert ipaddress.ip_address(lab.api_service) == services[1]
    addresses = {lab.host, *(lab.node(index) for index in range(MOST_CLUSTERS))}
    assert len(addresses) == MOST_CLUSTERS + 1
    assert all(ipaddress.ip_address(address) in nodes for address in addresses)


def test_too_many_clusters_are_refused() -> None:
    with pytest.raises(LabError, match="at most"):
        Addresses(block=FIRST_BLOCK).pods(MOST_CLUSTERS)


def test_one_allocation_at_a_time() -> None:
    with allocation_lock(), pytest.raises(LabError, match="try again"), allocation_lock(patience=0):
        pass
    with allocation_lock(patience=0):
        pass
