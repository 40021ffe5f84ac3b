"""State, account and positions; pause, start, stop and resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.observe import logs
from tradingbot.runtime.commands import PAUSE, way_out
from tradingbot.runtime.control import LATCH_SECONDS
from tradingbot.web import answers, asks, models
from tradingbot.web.keys import COMMANDS, CONTROL, HEALTH, SETTINGS
from tradingbot.web.openapi import Api, Call, Nothing
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from aiohttp import web

    from tradingbot.config.model import Settings
    from tradingbot.risk.latch import Restriction

api = Api()
TAG = "bot"
_log = logs.get(__name__)
Plain = Call[Nothing, Nothing]


@api.add("GET", "/api/v1/status", TAG, answer=models.Status)
async def status(call: Plain) -> web.Response:
    """Say what the operator wants to know. No balances, no key needed."""
    app = call.app
    return answers.json(answers.status(app[SETTINGS], app[CONTROL], app[HEALTH]))


@api.add("GET", "/api/v1/bot/status", TAG, answer=models.BotStatus)
async def account(call: Plain) -> web.Response:
    """Say how the bot and its account stand."""
    app = call.app
    return answers.json(answers.account(app[SETTINGS], app[CONTROL], app[HEALTH]))


@api.add("POST", "/api/v1/bot/stop", TAG, body=asks.Why, answer=models.Paused, key=True)
async def pause(call: Call[Nothing, asks.Why]) -> web.Response:
    """Pause: no new positions, entry orders are cancelled, protective stops and exits go on.

    It outlives restarts, and ends with /api/v1/bot/start. In an emergency use /api/v1/bot/emergency-stop.
    """
    durable = await call.app[COMMANDS].pause(call.body.reason)
    control = call.app[CONTROL]
    found = {"state": control.board.state.name, "reasons": answers.restrictions(control), "durable": durable}
    return answers.json(found)


@api.add("POST", "/api/v1/bot/start", TAG, body=asks.Start, answer=models.Status, key=True, problems=(409, 503))
async def start(call: Call[Nothing, asks.Start]) -> web.Response:
    """Lift the pause of /api/v1/bot/stop, within limits that may be given along.

    `stop_loss`, `take_profit`, `confidence_threshold` and `autonomous` change limits before anything is let go of, by
    the rules of PATCH /api/v1/bot/config: what would loosen a live bot is refused, and then nothing is started.

    An emergency stop, the halt of a limit and the configuration's own pause stay: the answer is then 409, and says how
    each of them ends.
    """
    app = call.app
    _startable(app[SETTINGS], call.body)
    commands, limits = app[COMMANDS], call.body.limits()
    if limits:
        await commands.change_limits(limits, call.body.reason)
    left = await commands.start(call.body.reason)
    _restricted(left, call, "the API's pause is lifted")
    return answers.json(answers.status(app[SETTINGS], app[CONTROL], app[HEALTH]))


def _startable(settings: Settings, wanted: asks.Start) -> None:
    """Refuse what differs from the configuration: ignoring it would be worse."""
    foreign = sorted(set(wanted.asset_pairs or ()) - set(settings.strategy.symbols))
    if foreign:
        known = ", ".join(settings.strategy.symbols)
        text = f"{', '.join(foreign)} is not configured: set strategy.symbols (spec.strategy.symbols); now {known}"
        raise Problem(409, "NotConfigured", text)
    simulated = settings.mode.value == "simulation"
    if wanted.dry_run is not None and wanted.dry_run is not simulated:
        text = f"this bot is in mode {settings.mode.value}, which only its configuration changes (spec.mode)"
        raise Problem(409, "NotConfigured", text)


def _restricted(
    left: list[Restriction], call: Call[Nothing, asks.Start] | Call[Nothing, asks.Resume], done: str
) -> None:
    """Say what still holds, if anything does."""
    if not left:
        return
    alone = call.app[COMMANDS].alone
    lines = [f"{held.state.name} by {held.source} ({held.reason}): {way_out(held, alone=alone)}" for held in left]
    if all(held.source == PAUSE for held in left):
        raise Problem(503, "StillPaused", "the pause is cleared, and ends when the exchange agrees: look again")
    raise Problem(409, "StillRestricted", f"{done}, but trading is still restricted: {'; '.join(lines)}")


@api.add("POST", "/api/v1/bot/resume", TAG, body=asks.Resume, answer=models.Status, key=True, problems=(409, 503))
async def resume(call: Call[Nothing, asks.Resume]) -> web.Response:
    """Lift the emergency stop or halt with exactly this id, for a bot that runs without a TradingBot.

    Under the operator it is lifted by spec.resume alone, where permissions are checked.
    """
    app = call.app
    left = await app[COMMANDS].resume(call.body.stop_id, call.body.reason)
    _restricted(left, call, f"{call.body.stop_id} is lifted")
    return answers.json(answers.status(app[SETTINGS], app[CONTROL], app[HEALTH]))


@api.add(
    "POST", "/api/v1/bot/emergency-stop", TAG, query=asks.EmergencyStop, answer=models.Status, status=202, key=True
)
async def emergency_stop(call: Call[asks.EmergencyStop, Nothing]) -> web.Response:
    """Stop everything now; the answer says which stop counts, its outcome follows in /api/v1/status.

    The gate is closed at once. The answer waits a second at most for the database: with `stop.durable` true the stop
    outlives this process; with false it is still being written, and is lost if the process ends before.
    """
    control = call.app[CONTROL]
    stop_id = f"api-{int(control.clock.now().timestamp() * 1000)}"
    close = call.query.close_positions
    row = control.emergency_stop(stop_id, "api", call.query.reason, close_positions=close)
    durable = await control.until_durable(LATCH_SECONDS)
    _log.warning("emergency stop asked for over the API", stop_id=row.stop_id, durable=durable)
    return answers.json(answers.status(call.app[SETTINGS], control, call.app[HEALTH]), 202)


@api.add("GET", "/api/v1/bot/positions", TAG, answer=models.Positions)
async def positions(call: Plain) -> web.Response:
    """List open positions and orders."""
    picture = call.app[CONTROL].picture
    return answers.json({"positions": answers.positions(picture), "orders": answers.orders(picture)})
