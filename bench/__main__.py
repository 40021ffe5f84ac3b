"""Run the named benchmarks, or all of them."""

from __future__ import annotations

import argparse
import importlib
import sys

from rich.console import Console

from bench import figures

BENCHMARKS = {
    "operator_scale": "1,000 TradingBots on one API server, against a bare client that writes the same children",
    "peer_speed": "our engine and simulated exchange against nautilus_trader, freqtrade and backtrader",
    "bot_core": "the checks before an order, from a tick to a durable order, memory of an idle bot, --help",
    "restart": "a bot that crashed with 1,000 open orders, from its start to orders that agree with the exchange",
    "stop": "from a patch to the closed gate, against a bare watch; stops against GitOps tools that take them back",
    "stop_orders": "fifty orders cancelled and verified at 50 ms, and tradingbot kill to its first cancel",
    "kill_job": "a bot that cannot be reached, from the stop to the kill Job's first cancel, on real pods",
    "demo_cached": "make demo on a machine where everything is cached, to the first trade",
}


def main() -> int:
    """Exit code 0 when every figure holds its bound, 1 when one falls short."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        epilog="; ".join(f"{name}: {what}" for name, what in BENCHMARKS.items()),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or list(BENCHMARKS)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    console = Console()
    measured: list[figures.Figure] = []
    for name in names:
        console.rule(f"{name}: {BENCHMARKS[name]}")
        results = importlib.import_module(f"bench.{name}").run()
        figures.write(name, results)
        console.print(figures.table(results))
        measured += results
    figures.write_document()
    console.rule("all")
    console.print(figures.table(measured))
    return 0 if all(each.holds for each in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
