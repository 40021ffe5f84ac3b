"""What an instance changes in the machine's network, and taking it back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.local.addresses import RANGE
from tradingbot_cluster.prerequisites import SYSTEM_PATH, find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradingbot_cluster.local.components import Instance

# Set by us (the first), by the kubelet (kernel.*, vm.*) or possibly by kube-proxy: all put back on cluster-down.
SYSCTLS: Final = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
TABLES: Final = ("raw", "mangle", "nat", "filter")
_RULE: Final = re.compile(r"^-A (\S+) ")


def _run(command: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(command), input=stdin, capture_output=True, text=True, check=False, timeout=60, env={"PATH": SYSTEM_PATH}
    )


def _checked(command: Sequence[str], stdin: str | None = None) -> str:
    done = _run(command, stdin)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def read_sysctls() -> dict[str, str]:
    """Return the kernel settings that a node changes."""
    found = {}
    for name in SYSCTLS:
        file = Path("/proc/sys") / name
        if file.is_file():
            found[name] = file.read_text().strip()
    return found


def restore_sysctls(before: dict[str, str]) -> None:
    """Put the kernel settings back."""
    for name, value in before.items():
        file = Path("/proc/sys") / name
        if file.is_file() and file.read_text().strip() != value:
            file.write_text(value)


def rules(instance: Instance) -> list[tuple[str, str, list[str]]]:
    """Return the rules of the instance's own: table, chain, what it says."""
    pods, comment = str(instance.plan.pods), ["-m", "comment", "--comment", f"tradingbot-cluster {instance.layout.key}"]
    return [
        ("nat", "POSTROUTING", ["-s", pods, "!", "-d", str(RANGE), *comment, "-j", "MASQUERADE"]),
        ("filter", "FORWARD", ["-s", pods, *comment, "-j", "ACCEPT"]),
        ("filter", "FORWARD", ["-d", pods, *comment, "-j", "ACCEPT"]),
        ("filter", "INPUT", ["-s", pods, "-d", instance.plan.node_ip, *comment, "-j", "ACCEPT"]),
    ]


def prepare(instance: Instance) -> None:
    """Make the device of the node's address, let packets be forwarded and reach the world."""
    _ensure_device(instance)
    forward = Path("/proc/sys/net/ipv4/ip_forward")
    if forward.read_text().strip() != "1":
        forward.write_text("1")
    iptables = find_program("iptables")
    for table, chain, rule in rules(instance):
        if _run([iptables, "-w", "-t", table, "-C", chain, *rule]).returncode != 0:
            _checked([iptables, "-w", "-t", table, "-A", chain, *rule])


def _ensure_device(instance: Instance) -> None:
    ip, device, address = find_program("ip"), instance.plan.device, f"{instance.plan.node_ip}/32"
    exists = _run([ip, "link", "show", device]).returncode == 0
    if not exists and _run([ip, "link", "add", device, "type", "dummy"]).returncode != 0:
        # Some kernels have no dummy devices; a bridge without ports holds an address as well.
        _checked([ip, "link", "add", device, "type", "bridge"])
    if f" {address} " not in _checked([ip, "-4", "-o", "address", "show", "dev", device]):
        _checked([ip, "address", "replace", address, "dev", device])
    _checked([ip, "link", "set", device, "up"])


def remove(instance: Instance) -> None:
    """Take back what `prepare` did, and what kube-proxy and the kubelet did.

    Without `kube-proxy --cleanup`: it leaves the kubelet's chains, and the cache may no longer hold that program.
    """
    iptables = find_program("iptables")
    for table, chain, rule in rules(instance):
        while _run([iptables, "-w", "-t", table, "-D", chain, *rule]).returncode == 0:
            pass
    for family in ("iptables", "ip6tables"):
        for table in TABLES:
            listed = _run([f"{family}-save", "-t", table])
            script = sweep_script(table, listed.stdout) if listed.returncode == 0 else ""
            if script:
                _checked([f"{family}-restore", "-w", "--noflush"], script)
    _run([find_program("ip"), "link", "delete", instance.plan.device])


def sweep_script(table: str, saved: str) -> str:
    """Return what tells iptables-restore to remove the KUBE-* chains of a table and the rules that lead to them."""
    chains = [line[1:].split()[0] for line in saved.splitlines() if line.startswith(":KUBE-")]
    if not chains:
        return ""
    commands = []
    for line in saved.splitlines():
        rule = _RULE.match(line)
        target = re.search(r" -[jg] (KUBE-\S+)", line)
        if rule and target and rule.group(1) not in chains:
            commands.append("-D" + line.removeprefix("-A"))
    commands += [f"-F {chain}" for chain in chains]
    commands += [f"-X {chain}" for chain in chains]
    return "\n".join([f"*{table}", *commands, "COMMIT", ""])


def foreign_node() -> bool:
    """Return whether a kube-proxy has written rules on this machine."""
    return _run([find_program("iptables"), "-w", "-t", "nat", "-L", "KUBE-SERVICES", "-n"]).returncode == 0
