"""The exchange alone: `python -m tests.exchange_server --port 0 --seed 1 --api-key K --secret-file F`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
from decimal import Decimal
from pathlib import Path

from .clock import WallClock
from .control import KEY, LOOPBACK, ExchangeServer
from .driver import Walk, drive
from .faults import FaultPlan
from .instruments import Instrument
from .remote import Remote
from .signing import ApiKey


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.exchange_server", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (loopback)")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--seed", type=int, default=None, help="of the faults and of the market")
    parser.add_argument("--fault-plan", type=Path, help='JSON: {"seed": 1, "rules": [{"kind": "timeout", …}]}')
    parser.add_argument("--api-key", default=KEY)
    parser.add_argument("--secret-file", type=Path, required=True, help="file with the key's secret")
    parser.add_argument("--enable-withdrawals", action="store_true", help="a key that a bot must refuse")
    parser.add_argument("--balance", action="append", default=[], metavar="ASSET=AMOUNT", help="default USDT=10000")
    parser.add_argument("--market", action="append", default=[], metavar="BASE/QUOTE=PRICE", help="BTC/USDT=50000")
    parser.add_argument("--skew-ms", type=int, default=0, help="how far ahead the server's clock is")
    parser.add_argument("--every", type=float, default=0.0, help="seconds between steps of the market; 0: it stands")
    parser.add_argument("--history", type=int, default=0, help="minutes of candles before the start")
    parser.add_argument("--control", action="store_true", help="serve /control/… (truth, journal, market, faults)")
    return parser.parse_args()


def pairs(given: list[str], default: str) -> dict[str, Decimal]:
    """Read NAME=AMOUNT."""
    found: dict[str, Decimal] = {}
    for text in given or [default]:
        name, _, amount = text.partition("=")
        found[name] = Decimal(amount)
    return found


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    markets = pairs(args.market, "BTC/USDT=50000")
    plan = FaultPlan(args.seed or 0)
    if args.fault_plan is not None:
        plan = FaultPlan.load(args.fault_plan.read_text(encoding="utf-8"), args.seed)
    secret = args.secret_file.read_text(encoding="utf-8").strip()
    remote = Remote()
    server = ExchangeServer(
        clock=WallClock(args.skew_ms),
        keys=[ApiKey(args.api_key, secret, may_withdraw=args.enable_withdrawals)],
        balances=pairs(args.balance, "USDT=10000"),
        faults=plan,
        instruments=[Instrument(base, quote) for base, _, quote in (pair.partition("/") for pair in markets)],
        host=args.host,
        port=args.port,
        extra_routes=remote.routes() if args.control else [],
    )
    walks = [Walk(server, pair.replace("/", ""), price, plan.seed) for pair, price in markets.items()]
    for walk in walks:
        walk.history(args.history)
        walk.step()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server:
        remote.server = server
        print(json.dumps({"url": server.url, "api_key": args.api_key, "seed": plan.seed}), flush=True)
        driving = asyncio.create_task(drive(walks, args.every)) if args.every > 0 else None
        await stop.wait()
        if driving is not None:
            driving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await driving


def main() -> None:
    asyncio.run(serve(arguments()))


if __name__ == "__main__":
    main()
