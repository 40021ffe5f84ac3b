"""What people decide: trades and closes of their own, limits, a look at the next decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.denial import MEANING
from tradingbot.web import answers, asks, models
from tradingbot.web.keys import COMMANDS, CONTROL, SETTINGS
from tradingbot.web.openapi import Api, Call, Nothing
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from aiohttp import web

    from tradingbot.runtime.commands import Done

api = Api()
TAG = "trading"
POSITION_ID = "Id of the position: its symbol, with a dash for the slash (BTC-USD)."


@api.add(
    "POST", "/api/v1/bot/manual-trade", TAG, body=asks.ManualTrade, answer=models.Done, status=202, key=True,
    problems=(409,),
)  # fmt: skip
async def manual_trade(call: Call[Nothing, asks.ManualTrade]) -> web.Response:
    """Open a position of your own.

    It passes the same gate as the strategy's, is recorded in the same way, and gets its stop-loss and take-profit. 202:
    approved and sent once it is durable. 409: denied, with the code of the limit.
    """
    said = call.body
    done = await call.app[COMMANDS].trade(
        said.asset_pair, said.action.value, said.stop_loss, said.take_profit, said.size, said.price, said.reason
    )
    return _answer(done)


@api.add(
    "POST", "/api/v1/bot/positions/{id}/close", TAG, body=asks.Why, answer=models.Done, status=202, key=True,
    problems=(404, 409), path_parameters={"id": POSITION_ID},
)  # fmt: skip
async def close(call: Call[Nothing, asks.Why]) -> web.Response:
    """Close a position at market, in whatever state the bot is."""
    wanted = call.request.match_info["id"]
    commands = call.app[COMMANDS]
    held = [p.symbol for p in commands.runner.engine.state.book.open_positions()]
    symbol = next((name for name in held if wanted in (name, answers.position_id(name))), None)
    if symbol is None:
        known = ", ".join(answers.position_id(name) for name in held) or "none"
        raise Problem(404, "NoSuchPosition", f"there is no open position {wanted!r}; open are: {known}")
    return _answer(await commands.close(symbol, call.body.reason))


def _answer(done: Done) -> web.Response:
    decision = done.decision
    if decision is not None and not decision.approved:
        facts = ", ".join(f"{name} {value}" for name, value in decision.facts)
        text = f"{answers.meaning(decision.code)}{f' ({facts})' if facts else ''}; see /api/v1/decisions"
        raise Problem(409, decision.code, text)
    found = {"decision": answers.decided(decision) if decision else None, "committed": done.committed}
    return answers.json(found, 202)


@api.add("POST", "/api/v1/decisions", TAG, body=asks.DecisionAsk, answer=models.Preview, key=True, problems=(409,))
async def preview(call: Call[Nothing, asks.DecisionAsk]) -> web.Response:
    """Ask what would be decided if a candle closed now at the last price.

    The strategy is asked in a copy and the gate judges; nothing is recorded and nothing is traded.
    """
    wanted = call.body.asset_pair
    symbols = [wanted] if wanted is not None else call.app[SETTINGS].strategy.symbols
    found = [made for symbol in symbols for made in call.app[COMMANDS].preview(symbol)]
    return answers.json({"decisions": [answers.decided(made) for made in found]})


@api.add("GET", "/api/v1/decisions/codes", TAG, answer=models.Codes)
async def codes(call: Call[Nothing, Nothing]) -> web.Response:
    """List every code with which the gate can deny, and what it means."""
    del call
    return answers.json({"codes": {code.value: text for code, text in MEANING.items()}})


@api.add("GET", "/api/v1/bot/config", TAG, answer=models.Limits, problems=(409,))
async def limits(call: Call[Nothing, Nothing]) -> web.Response:
    """List the limits that hold, those of the configuration, and what was changed since."""
    picture = call.app[CONTROL].picture
    if picture is None:
        raise Problem(409, "NotTrading", "the limits are known once this process trades; see /api/v1/bot/status")
    return answers.json(answers.limits(picture))


@api.add("PATCH", "/api/v1/bot/config", TAG, body=asks.ConfigPatch, answer=models.Limits, key=True, problems=(409,))
async def change(call: Call[Nothing, asks.ConfigPatch]) -> web.Response:
    """Change limits, at once.

    What permits less always works, and survives a restart: of configuration and change, whichever permits less. What
    permits more works in a simulation until its next restart; for a live bot it is refused, and belongs into spec.risk
    with an approval.
    """
    said = call.body
    if not said.changes():
        raise Problem(409, "NothingToChange", "name at least one limit to change; GET /api/v1/bot/config lists them")
    for alias, name in said.twice():
        raise Problem(409, "SameLimitTwice", f"{alias} and {name} are the same limit, give one of them")
    effective, committed = await call.app[COMMANDS].change_limits(said.changes(), said.reason)
    engine = call.app[COMMANDS].runner.engine
    found = answers.limits_of(effective, engine.base_limits, engine.state.limits, committed=committed)
    return answers.json(found)
