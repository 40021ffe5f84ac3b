"""The addresses, device names and ports of one instance.

All addresses are from 198.18.0.0/15 (RFC 2544, for benchmarks): no network that a machine is in uses them. Each of
the 16 instances that a machine can have gets a /19 of its own.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

RANGE: Final = ipaddress.IPv4Network("198.18.0.0/15")
INSTANCE_PREFIX: Final = 19
INSTANCES: Final = 1 << INSTANCE_PREFIX - RANGE.prefixlen
# Below the ports that the kernel gives to outgoing connections and below the NodePorts, so nobody is in the way.
FIRST_PORT: Final = 21000
LAST_PORT: Final = 29999
CONTROL_PLANE_PORTS: Final = (
    "apiserver",
    "etcd",
    "etcd-peer",
    "etcd-metrics",
    "controller-manager",
    "scheduler",
    "kwok",
)
NODE_PORTS: Final = ("kubelet", "kubelet-health", "proxy-health", "proxy-metrics", "coredns-health", "coredns-ready")


@dataclass(frozen=True)
class AddressPlan:
    """The addresses of the instance with this index."""

    index: int

    @property
    def network(self) -> ipaddress.IPv4Network:
        """Return the /19 of the instance."""
        return ipaddress.IPv4Network(
            (int(RANGE.network_address) + (self.index << 32 - INSTANCE_PREFIX), INSTANCE_PREFIX)
        )

    def _part(self, third_octet: int, prefix: int) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network((int(self.network.network_address) + third_octet * 256, prefix))

    @property
    def node_ip(self) -> str:
        """Return the address of the node, which the API server advertises and CoreDNS listens on."""
        return str(self.network.network_address + 1)

    @property
    def pods(self) -> ipaddress.IPv4Network:
        """Return the addresses of the pods: 2,046 of them."""
        return self._part(8, 21)

    @property
    def services(self) -> ipaddress.IPv4Network:
        """Return the addresses of the Services: 4,094, for benchmarks with a thousand bots."""
        return self._part(16, 20)

    @property
    def api_service_ip(self) -> str:
        """Return the ClusterIP of the API server."""
        return str(self.services.network_address + 1)

    @property
    def dns_service_ip(self) -> str:
        """Return the ClusterIP of the DNS server."""
        return str(self.services.network_address + 10)

    @property
    def device(self) -> str:
        """Return the name of the network device that holds the node's address."""
        return f"tbot-node{self.index}"


def used_networks() -> list[ipaddress.IPv4Network]:
    """Return the networks within our range that this machine has addresses of."""
    try:
        listed = subprocess.run(
            ["ip", "-json", "-4", "address"], capture_output=True, text=True, check=True, timeout=20
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    found = []
    for device in json.loads(listed or "[]"):
        for address in device.get("addr_info", []):
            interface = ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}")
            if interface.network.overlaps(RANGE):
                found.append(interface.network)
    return found


def choose_index(key: str, used: Iterable[ipaddress.IPv4Network]) -> int:
    """Return the first index whose addresses nobody has, beginning at one that depends on the instance's key."""
    taken = list(used)
    first = zlib.crc32(key.encode()) % INSTANCES
    for offset in range(INSTANCES):
        index = (first + offset) % INSTANCES
        if not any(AddressPlan(index).network.overlaps(network) for network in taken):
            return index
    raise BusyError(f"all {INSTANCES} parts of {RANGE} are in use on this machine: take another cluster down first")


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port, on every address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - a probe that never listens
        except OSError:
            return False
    return True


def choose_ports(
    key: str, names: Iterable[str], kept: Mapping[str, int], taken: Collection[int] = ()
) -> dict[str, int]:
    """Return a port for each name: the one it has in `kept`, else a free one, searched from the key's own place.

    Those in `taken` are other instances', which may not listen on them yet.
    """
    ports = dict(kept)
    span = LAST_PORT - FIRST_PORT + 1
    candidate = zlib.crc32(key.encode()) % span
    for name in names:
        if name in ports:
            continue
        for _ in range(span):
            port = FIRST_PORT + candidate
            candidate = (candidate + 1) % span
            if port not in ports.values() and port not in taken and port_is_free(port):
                ports[name] = port
                break
        else:
            raise BusyError(f"no free port between {FIRST_PORT} and {LAST_PORT}")
    return ports
