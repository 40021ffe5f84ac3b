"""The simulated exchange and its account."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tradingbot.domain.market import DAY
from tradingbot.domain.money import plain, ratio
from tradingbot.web import answers, asks, figures
from tradingbot.web.keys import COMMANDS, CONTROL, HEALTH, SETTINGS
from tradingbot.web.openapi import Api, Call, Nothing
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from aiohttp import web

    from tradingbot.core.picture import Picture

api = Api()
TAG = "simulation"
KEPT = ["orders", "trades", "decisions", "equity", "postings"]
Plain = Call[Nothing, Nothing]


def _simulated(call: Call[Any, Any]) -> None:
    if call.app[SETTINGS].mode.value != "simulation":
        raise Problem(409, "NotASimulation", "this bot trades with real money: see /api/v1/bot/status")


@api.add("GET", "/api/v1/simulation/status", TAG, answer=figures.SimulationStatus, problems=(409,))
async def status(call: Plain) -> web.Response:
    """Say how the simulation is set up, and how its account stands."""
    _simulated(call)
    app = call.app
    health, picture, terms = app[HEALTH], app[CONTROL].picture, app[SETTINGS].simulation
    recorded = terms.feed.type.value == "Recorded"
    found = {
        "running": health.role == "trading" and health.settled,
        "feed": terms.feed.type.value,
        "dataset": terms.feed.dataset if recorded else None,
        "speed": plain(terms.feed.speed),
        "seed": terms.seed,
        "initial_capital": plain(terms.initial_capital),
        "commission": plain(terms.commission),
        "slippage": plain(terms.slippage),
        "tick_interval_seconds": terms.tick_interval_seconds,
        "strategy_interval_seconds": terms.strategy_interval_seconds,
        "since": answers.when(picture.tally.since) if picture else None,
        "account": answers.money(picture) if picture else None,
    }
    return answers.json(found)


@api.add("GET", "/api/v1/simulation/performance", TAG, answer=figures.Performance, problems=(409,))
async def performance(call: Plain) -> web.Response:
    """Say what the account has made since it was opened, or started anew."""
    _simulated(call)
    picture = call.app[CONTROL].picture
    if picture is None:
        raise Problem(409, "NotTrading", "the performance is known once this process trades; see /api/v1/bot/status")
    return answers.json(_performance(picture))


def _performance(picture: Picture) -> dict[str, Any]:
    tally = picture.tally
    days = ratio(Decimal(max(0, picture.ts - tally.since)), Decimal(DAY))
    gain = ratio(picture.equity, picture.capital) - 1 if picture.capital > 0 else Decimal(0)
    drawdown = max(tally.max_drawdown, picture.drawdown)
    return {
        "since": answers.when(tally.since),
        "until": answers.when(picture.ts),
        "days": f"{days:.4f}",
        "initial_capital": plain(picture.capital),
        "equity": plain(picture.equity),
        "total_return": f"{gain:.6f}",
        "trades": tally.trips,
        "fills": tally.fills,
        "won": tally.won,
        "lost": tally.lost,
        "win_rate": f"{ratio(Decimal(tally.won), Decimal(tally.trips)):.4f}" if tally.trips else None,
        "profit_factor": f"{ratio(tally.gross_profit, tally.gross_loss):.4f}" if tally.gross_loss else None,
        "gross_profit": plain(tally.gross_profit),
        "gross_loss": plain(tally.gross_loss),
        "fees": plain(tally.fees),
        "max_drawdown": f"{drawdown:.6f}",
    }


@api.add("POST", "/api/v1/simulation/reset", TAG, body=asks.Why, answer=figures.Reset, key=True, problems=(409,))
async def reset(call: Call[Nothing, asks.Why]) -> web.Response:
    """Start the account anew with the initial capital.

    The bot must be paused, flat and without open orders. Nothing is deleted: orders, trades, decisions, the equity
    curve and the ledger stay; figures of performance count from now on.
    """
    committed = await call.app[COMMANDS].reset(call.body.reason)
    capital = plain(call.app[SETTINGS].simulation.initial_capital)
    return answers.json({"initial_capital": capital, "kept": KEPT, "committed": committed})
