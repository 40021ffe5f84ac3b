"""`make demo` on a machine where everything is cached, from its start to the first trade in PostgreSQL.

The cluster is taken down before each run: the caches (binaries, image layers, the Python environment) are all that is
there. The baseline is the same cluster with the same images and nothing on it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from bench.figures import Figure
from tradingbot_cluster import provider
from tradingbot_cluster.demo import environment
from tradingbot_cluster.interface import UpOptions
from tradingbot_cluster.paths import Layout, checkout_root

RUNS = 3


def demo() -> float:
    """Return the seconds of one demo, which ends when it has seen the first trade."""
    started = time.perf_counter()
    subprocess.run(["make", "demo"], cwd=checkout_root(), check=True, stdout=sys.stderr)
    return time.perf_counter() - started


def bare_cluster() -> float:
    """Return the seconds of a cluster with the images loaded."""
    started = time.perf_counter()
    provider.make(Layout.of()).up(UpOptions())
    environment.build_images()
    return time.perf_counter() - started


def run() -> list[Figure]:
    """Measure, and leave nothing running that was not running before."""
    if environment.cluster_runs():
        raise RuntimeError(
            "a cluster runs: take it down first (make demo-down or make cluster-down), the bench starts its own"
        )
    demos, bare = [], []
    try:
        environment.cluster_up()
        environment.build_images()
        for _ in range(RUNS):
            environment.cluster_down()
            bare.append(bare_cluster())
            environment.cluster_down()
            demos.append(demo())
            subprocess.run(["make", "demo-down"], cwd=checkout_root(), check=True, stdout=sys.stderr)
    finally:
        environment.cluster_down()
    baseline = f"the cluster alone with its images {statistics.median(bare):.1f} s, medians of {RUNS}"
    return [Figure.at_most("demo_cached_s", statistics.median(demos), "s", 90, baseline)]
