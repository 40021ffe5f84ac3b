"""Addresses, ports and device names of several instances on one machine."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingbot_cluster.errors import BusyError
from tradingbot_cluster.local.addresses import (
    FIRST_PORT,
    INSTANCES,
    LAST_PORT,
    RANGE,
    AddressPlan,
    choose_index,
    choose_ports,
    port_is_free,
)


def test_all_plans_lie_in_the_range_and_apart_from_each_other() -> None:
    plans = [AddressPlan(index) for index in range(INSTANCES)]
    assert all(plan.network.subnet_of(RANGE) for plan in plans)
    assert not any(a.network.overlaps(b.network) for a in plans for b in plans if a.index < b.index)
    assert len({plan.device for plan in plans}) == INSTANCES


@pytest.mark.parametrize("index", range(INSTANCES))
def test_parts_of_a_plan_do_not_overlap(index: int) -> None:
    plan = AddressPlan(index)
    node = ipaddress.IPv4Network(f"{plan.node_ip}/32")
    parts = [node, plan.pods, plan.services]
    assert all(part.subnet_of(plan.network) for part in parts)
    assert not plan.pods.overlaps(plan.services)
    assert not node.overlaps(plan.pods)
    assert not node.overlaps(plan.services)
    assert ipaddress.IPv4Address(plan.dns_service_ip) in plan.services
    assert ipaddress.IPv4Address(plan.api_service_ip) == plan.services.network_address + 1


def test_room_for_a_thousand_services_and_for_the_nodes_pods() -> None:
    assert AddressPlan(0).services.num_addresses >= 4096
    assert AddressPlan(0).pods.num_addresses >= 512


def test_device_name_fits_the_kernel() -> None:
    assert all(len(AddressPlan(index).device) <= 15 for index in range(INSTANCES))


@given(key=st.text(min_size=1, max_size=12), taken=st.sets(st.integers(0, INSTANCES - 1), max_size=INSTANCES - 1))
def test_chosen_index_is_free(key: str, taken: set[int]) -> None:
    used = [ipaddress.IPv4Network(f"{AddressPlan(index).node_ip}/32") for index in taken]
    assert choose_index(key, used) not in taken


def test_no_index_left_is_said() -> None:
    with pytest.raises(BusyError, match="take another cluster down"):
        choose_index("x", [RANGE])


def test_ports_are_kept_distinct_and_free() -> None:
    first = choose_ports("key", ["a", "b", "c"], {})
    assert len(set(first.values())) == 3
    assert all(FIRST_PORT <= port <= LAST_PORT for port in first.values())
    assert choose_ports("key", ["a", "b", "c"], first) == first
    assert choose_ports("key", ["a", "b", "c", "d"], {"a": first["a"]})["a"] == first["a"]


def test_a_taken_port_is_passed_over() -> None:
    port = choose_ports("key", ["a"], {})["a"]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        assert not port_is_free(port)
        assert choose_ports("key", ["a"], {})["a"] != port


def test_a_port_that_another_instance_has_claimed_is_passed_over() -> None:
    port = choose_ports("key", ["a"], {})["a"]
    assert choose_ports("key", ["a"], {}, {port})["a"] != port
