"""The speed of our engine and simulated exchange against their peers: same market, same signal, same fees.

Every engine trades one unit long or flat on the cross of two moving averages (50, 200), with market orders and a fee
of 0.1 %. Ours gives each order its full life: intent, risk checks, hold, order, fill, fees, ledger, protective orders,
equity against its limits on every event, and a hash of every posting; a peer does what it does by itself. Loading is
not counted.

Each runs in a process of its own, peers in environments of their own that are made here from pinned requirements. The
runs alternate; CPU seconds, median. The number of orders and the final equity must agree with a loop of a few lines
that knows no engine, or nothing is reported.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.figures import Figure
from bench.peers import data, reference

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[1]
RUNS = 5
TICKS, BARS = 200_000, 100_000
CENT = Decimal("0.005")
"""What a peer that rounds fees to cents may be off by per order."""


class Run(NamedTuple):
    """What one process said."""

    events: int
    cpu_seconds: float
    orders: int
    equity: Decimal


def cache() -> Path:
    """Return the folder of environments and data."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tradingbot-operator" / "bench"


def environment(peer: str) -> Path:
    """Make the environment of a peer unless it is there; return its Python."""
    requirements = HERE / f"requirements-{peer}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = cache() / f"{peer}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            str(requirements),
        ]
        subprocess.run(install, check=True)
        (folder / "made").touch()
    return python


def measure(command: Sequence[str | Path]) -> Run:
    """Run one engine once."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed: {done.stderr[-2000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Run(said["events"], said["cpu_seconds"], said["orders"], Decimal(said["final_equity"]))


def agrees(name: str, run: Run, expected: reference.Answer, tolerance: Decimal) -> None:
    """Raise unless a run came to the answer of the reference."""
    if run.orders != expected.orders or abs(run.equity - expected.equity) > tolerance:
        raise RuntimeError(
            f"{name}: {run.orders} orders and {run.equity}; the reference has {expected.orders} and {expected.equity}"
        )


def compare(kind: str, peer: str, folder: Path, answers: tuple[reference.Answer, reference.Answer]) -> tuple[Run, Run]:
    """Let ours and a peer run in turn; return the run of the median of each."""
    ours: list[str | Path] = [sys.executable, "-m", "bench.peers.ours", folder, kind]
    theirs: list[str | Path] = [environment(peer), HERE / f"with_{peer}.py", folder]
    mine, other = [], []
    for _ in range(RUNS):
        mine.append(measure(ours))
        other.append(measure(theirs))
        agrees("ours", mine[-1], answers[0], Decimal(0))
        agrees(peer, other[-1], answers[1], CENT * answers[1].orders)
    return _median(mine), _median(other)


def _median(runs: list[Run]) -> Run:
    middle = statistics.median_low(run.cpu_seconds for run in runs)
    return next(run for run in runs if run.cpu_seconds == middle)


def _version(peer: str) -> str:
    names = {"nautilus": "nautilus-trader", "backtrader": "backtrader", "freqtrade": "freqtrade"}
    lines = (HERE / f"requirements-{peer}.txt").read_text().splitlines()
    return next(line.replace("==", " ") for line in lines if line.startswith(f"{names[peer]}=="))


def _figure(name: str, bound: float, unit: str, peer: str, runs: tuple[Run, Run]) -> Figure:
    mine, other = runs
    ratio = other.cpu_seconds / mine.cpu_seconds
    speeds = f"{other.events / other.cpu_seconds:,.0f} {unit}/s, ours {mine.events / mine.cpu_seconds:,.0f}"
    baseline = (
        f"{_version(peer)}: {speeds}; {mine.events:,} {unit}, {mine.orders:,} orders, CPU seconds, median of {RUNS}"
    )
    return Figure.at_least(name, ratio, "", bound, baseline)


def run() -> list[Figure]:
    """Measure against every peer."""
    folder = cache() / "market"
    data.write(folder, TICKS, BARS)
    ticks = [price for _, price in data.read(folder / "ticks.csv")]
    bars = data.read(folder / "bars.csv")
    closes, opens = [row[4] for row in bars], [row[1] for row in bars]
    # What is decided on an event fills at the next one; nautilus fills at the very trade that was decided on.
    next_tick = reference.trade(ticks, [*ticks[1:], 0])
    same_tick = reference.trade(ticks, ticks)
    next_open = reference.trade(closes, [*opens[1:], 0])
    return [
        _figure("ticks_vs_nautilus_ratio", 2, "ticks", "nautilus",
                compare("ticks", "nautilus", folder, (next_tick, same_tick))),
        _figure("bars_vs_freqtrade_ratio", 3, "bars", "freqtrade",
                compare("bars", "freqtrade", folder, (next_open, next_open))),
        _figure("bars_vs_backtrader_ratio", 1, "bars", "backtrader",
                compare("bars", "backtrader", folder, (next_open, next_open))),
    ]  # fmt: skip
