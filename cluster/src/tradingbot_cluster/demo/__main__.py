"""`python -m tradingbot_cluster.demo up|down`, which `make demo` and `make demo-down` call."""

from __future__ import annotations

import argparse
import sys
import time

from tradingbot_cluster.console import console, duration
from tradingbot_cluster.demo import demo, summary
from tradingbot_cluster.demo.tools import CommandError
from tradingbot_cluster.errors import EXIT_FAILED, EXIT_OK, ClusterError


def main() -> int:
    """Run the demo or remove it; exit code 0 when it came to its end."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("action", choices=("up", "down"), help="up: do what is missing; down: remove what it made")
    action = parser.parse_args().action
    started = time.monotonic()
    try:
        if action == "up":
            summary.show(demo.up(), demo.BOT_NAMESPACE, demo.BOT)
        else:
            demo.down()
    except (ClusterError, CommandError) as error:
        console.print(f"error: {error}", style="red", markup=False)
        console.print("Run the same command again: it goes on from here.", markup=False)
        return error.exit_code if isinstance(error, ClusterError) else EXIT_FAILED
    console.print(f"done in {duration(time.monotonic() - started)}", markup=False)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
