"""Measure what ccxt makes of each fault. `python -m tests.exchange_server.measure` writes the table anew."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clock import ManualClock
from .control import ExchangeServer
from .faults import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
OUTCOMES = FOLDER / "ccxt_outcomes.json"
README = FOLDER / "README.md"
BEGIN, END = "<!-- outcomes -->", "<!-- /outcomes -->"
SYMBOL = "BTC/USDT"
OPERATIONS = {"create_order": "POST", "cancel_order": "DELETE", "fetch_order": "GET"}
SHORT_MS = 200
"""ccxt's timeout where no answer is expected."""
USUAL_MS = 10_000


@dataclass(frozen=True)
class Case:
    """One fault as it is scripted."""

    name: str
    settings: Mapping[str, Any]
    only: tuple[str, ...] = tuple(OPERATIONS)


@dataclass(frozen=True)
class Outcome:
    """What one call of ccxt gave, and what was true."""

    fault: str
    operation: str
    urls: str
    gives: str
    family: str
    """ExchangeError, NetworkError, OperationFailed (which is neither), or returned."""
    processed: bool
    requests: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.fault, self.operation, self.urls


def _twice(name: str, **settings: Any) -> list[Case]:
    """A fault of transport: once before, once after the exchange acted."""
    return [
        Case(f"{name}, not processed", {**settings, "processed": False}),
        Case(f"{name}, processed", {**settings, "processed": True}),
    ]


def _reject(name: str, code: int, msg: str, status: int = 400, only: tuple[str, ...] = tuple(OPERATIONS)) -> Case:
    settings = {"kind": Kind.REJECT, "code": code, "msg": msg, "status": status}
    return Case(f"{code} {name}".strip(), settings, only)


_CREATE = ("create_order",)
CASES: list[Case] = [
    *_twice("time-out", kind=Kind.TIMEOUT),
    *_twice("socket dropped once", kind=Kind.DROP),
    *_twice("socket dropped each time", kind=Kind.DROP, times=None),
    *_twice("socket closed in the body", kind=Kind.CUT_BODY, times=None),
    *_twice("HTTP 500, empty", kind=Kind.HTTP_ERROR, status=500),
    *_twice("HTTP 502 page", kind=Kind.HTML, status=502),
    *_twice("HTTP 504 page", kind=Kind.HTML, status=504),
    *_twice("HTTP 503 page", kind=Kind.HTML, status=503),
    *_twice("503 -1001", kind=Kind.UNAVAILABLE),
    *_twice(
        "503 -1000 unknown error",
        kind=Kind.HTTP_ERROR,
        status=503,
        code=-1000,
        msg="Unknown error, please check your request or try again later.",
    ),
    *_twice(
        "-1006 unexpected response",
        kind=Kind.HTTP_ERROR,
        status=500,
        code=-1006,
        msg="An unexpected response was received from the message bus. Execution status unknown.",
    ),
    *_twice("-1007 status unknown", kind=Kind.STATUS_UNKNOWN),
    *_twice("HTTP 200 with HTML", kind=Kind.HTML),
    *_twice("HTTP 200, half the JSON", kind=Kind.HALF_JSON),
    *_twice("HTTP 200, {}", kind=Kind.EMPTY),
    *_twice("HTTP 200, []", kind=Kind.EMPTY, msg="[]"),
    *_twice("HTTP 200, null", kind=Kind.EMPTY, msg="null"),
    *_twice("HTTP 400 page", kind=Kind.HTML, status=400),
    Case("HTTP 403 page (firewall)", {"kind": Kind.HTML, "status": 403}),
    Case("429 -1003", {"kind": Kind.RATE_LIMIT, "retry_after": 7}),
    Case("418 ban", {"kind": Kind.BAN, "retry_after": 120}),
    Case("503 -1008 overloaded", {"kind": Kind.OVERLOADED}),
    Case("503 maintenance", {"kind": Kind.MAINTENANCE}),
    Case("-1021 clock skew", {"kind": Kind.CLOCK_SKEW, "ms": 70_000}),
    _reject("matching engine down", -1004, "Server is busy, please wait and try again."),
    _reject("too many orders", -1015, "Too many new orders; current limit is 100 orders per 10S.", 429, _CREATE),
    _reject("shutting down", -1016, "This service is no longer available.", 503),
    _reject("signature", -1022, "Signature for this request is not valid."),
    _reject("key format", -2014, "API-key format invalid.", 401),
    _reject("key, after a success", -2015, "Invalid API-key, IP, or permissions for action.", 401),
    _reject("precision", -1111, "Precision is over the maximum defined for this asset.", only=_CREATE),
    *(
        _reject(name, -1013, f"Filter failure: {name}", only=_CREATE)
        for name in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL", "PERCENT_PRICE_BY_SIDE")
    ),
    *(
        _reject(name, -1013, f"Filter failure: {name}", only=_CREATE)
        for name in ("MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS")
    ),
    _reject("balance", -2010, "Account has insufficient balance for requested action.", only=_CREATE),
    _reject("duplicate client id", -2010, "Duplicate order sent.", only=_CREATE),
    _reject("would take", -2010, "Order would immediately match and take.", only=_CREATE),
    _reject("would trigger", -2010, "Stop price would trigger immediately.", only=_CREATE),
    _reject("market closed", -2010, "Market is closed.", only=_CREATE),
    _reject("account may not", -2010, "This account may not place or cancel orders.", only=_CREATE),
    _reject("unknown order", -2011, "Unknown order sent.", only=("cancel_order",)),
    _reject("no such order", -2013, "Order does not exist.", only=("fetch_order",)),
    _reject(
        "archived", -2026, "Order was canceled or expired with no executed qty over 90 days ago.", 400, ("fetch_order",)
    ),
    Case("fills on the way to the cancel, in part", {"kind": Kind.CANCEL_RACES_FILL, "share": 0.5}, ("cancel_order",)),
    Case("fills on the way to the cancel, wholly", {"kind": Kind.CANCEL_RACES_FILL, "share": 1.0}, ("cancel_order",)),
    Case("fill told after the cancel", {"kind": Kind.FILL_AFTER_CANCEL, "share": 1.0}, ("cancel_order",)),
    Case("nothing", {"kind": Kind.SLOW, "ms": 0}),
]


@dataclass
class Bench:
    """One server and one ccxt object, used for every case."""

    server: ExchangeServer
    clock: ManualClock
    client: Any
    urls: str
    orders: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    async def run(self, case: Case, operation: str) -> None:
        """Script the fault, call ccxt once, and note what came out."""
        self.orders += 1
        self.clock.advance(seconds=60)
        name = f"measure-{self.orders}"
        if operation != "create_order":
            await self._create(name)
        before = len(self.server.journal.entries)
        self.client.timeout = SHORT_MS if case.settings["kind"] is Kind.TIMEOUT else USUAL_MS
        self.server.faults.add(method=OPERATIONS[operation], path="/api/v3/order", **case.settings)
        gives, family = await self._call(operation, name)
        self.server.faults.clear()
        self.server.exchange.limiter.banned_until_ms = 0
        self.client.timeout = USUAL_MS
        met = self.server.journal.entries[before:]
        processed = any(entry.processed for entry in met)
        self.outcomes.append(Outcome(case.name, operation, self.urls, gives, family, processed, len(met)))
        for order in self.server.truth.open_orders:
            self.server.exchange.engine.cancel(order)
        self.server.exchange.publish_fills()

    async def _create(self, name: str) -> dict[str, Any]:
        params = {"clientOrderId": name}
        order: dict[str, Any] = await self.client.create_order(SYMBOL, "limit", "buy", "0.001", "40000", params)
        return order

    async def _call(self, operation: str, name: str) -> tuple[str, str]:
        import ccxt.async_support as ccxt

        try:
            if operation == "create_order":
                answer = await self._create(name)
            else:
                answer = await getattr(self.client, operation)("", SYMBOL, {"clientOrderId": name})
        except ccxt.BaseError as error:
            families = (ccxt.ExchangeError, ccxt.NetworkError, ccxt.OperationFailed)
            family = next((kind.__name__ for kind in families if isinstance(error, kind)), "BaseError")
            return type(error).__name__, family
        except Exception as error:  # noqa: BLE001 — whatever comes through ccxt is what is measured
            return f"{type(error).__module__}.{type(error).__name__}", "not of ccxt"
        known = "an id" if answer["id"] is not None else "no id"
        return f"order: {known}, status {answer['status']}", "returned"


async def measure() -> list[Outcome]:
    """Run every case with loopback URLs and with production's."""
    import ccxt.async_support as ccxt

    outcomes: list[Outcome] = []
    for urls in ("production", "loopback"):
        clock = ManualClock()
        async with ExchangeServer(clock=clock, balances={"USDT": 1_000_000, "BTC": 10}) as server:
            server.market.move("BTCUSDT", "50000")
            session = server.production_session()
            more: dict[str, Any] = {"session": session, "urls": {}} if urls == "production" else {}
            client = ccxt.binance(server.ccxt_options(**more))
            try:
                await client.load_markets()
                bench = Bench(server, clock, client, urls)
                for case in CASES:
                    for operation in case.only:
                        await bench.run(case, operation)
                outcomes += bench.outcomes
            finally:
                await client.close()
                await session.close()
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as Markdown, and where loopback URLs give something else."""
    found = {outcome.key: outcome for outcome in outcomes}
    lines = [
        "| the exchange does | create_order | cancel_order | fetch_order |",
        "| --- | --- | --- | --- |",
    ]
    for case in CASES:
        cells = [_cell(found.get((case.name, operation, "production"))) for operation in OPERATIONS]
        lines.append(f"| {case.name} | {' | '.join(cells)} |")
    lines += ["", "With loopback URLs (`urls['api']`) ccxt does not know that this is spot, and gives instead:", ""]
    for outcome in outcomes:
        twin = found[outcome.fault, outcome.operation, "production"]
        if outcome.urls == "loopback" and (outcome.gives, outcome.family) != (twin.gives, twin.family):
            lines.append(f"- {outcome.fault}, {outcome.operation}: {_cell(outcome)}, not {_cell(twin)}")
    return "\n".join(lines)


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    marks = {"ExchangeError": " (E)", "NetworkError": " (N)", "OperationFailed": " (O)", "returned": ""}
    resent = f", sent {outcome.requests} times" if outcome.requests > 1 else ""
    return f"{outcome.gives}{marks.get(outcome.family, ' (not of ccxt)')}{resent}"


def saved() -> list[Outcome]:
    return [Outcome(**row) for row in json.loads(OUTCOMES.read_text(encoding="utf-8"))]


def main() -> None:
    outcomes = asyncio.run(measure())
    rows = ",\n  ".join(json.dumps(asdict(outcome)) for outcome in outcomes)
    OUTCOMES.write_text(f"[\n  {rows}\n]\n", encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table(outcomes)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
