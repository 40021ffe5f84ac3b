"""The machine: CPU, memory, disk, network, processes, load."""

from __future__ import annotations

import os

import psutil


def figures() -> dict[str, float]:
    """Measure; percentages of the host, bytes since its start."""
    found = {
        "cpu_percent": psutil.cpu_percent(interval=None),
        "memory_percent": psutil.virtual_memory().percent,
        "disk_percent": psutil.disk_usage("/tmp").percent,  # noqa: S108 - the one place that a pod may write to
        "processes": float(len(psutil.pids())),
        "load_average": os.getloadavg()[0],
        "resident_bytes": float(psutil.Process().memory_info().rss),
    }
    network = psutil.net_io_counters()
    if network is not None:
        found |= {"network_sent_bytes": float(network.bytes_sent), "network_received_bytes": float(network.bytes_recv)}
    return found
