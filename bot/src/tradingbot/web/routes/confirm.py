"""Live orders above a value wait for a person: see them, say yes, say no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain.denial import DenialCode
from tradingbot.runtime.commands import RefusedError
from tradingbot.web import answers, asks, models
from tradingbot.web.keys import COMMANDS, CONTROL
from tradingbot.web.openapi import Api, Call, Nothing
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from aiohttp import web

    from tradingbot.runtime.commands import Done

api = Api()
TAG = "confirmation"
CLIENT_ID = "Client id of the order, from /api/v1/bot/orders/waiting."


@api.add("GET", "/api/v1/bot/orders/waiting", TAG, answer=models.WaitingOrders)
async def waiting(call: Call[Nothing, Nothing]) -> web.Response:
    """List orders that wait for a person: a live bot's entries above exchange.order_confirmation_threshold."""
    return answers.json({"orders": answers.waiting(call.app[CONTROL].picture)})


@api.add(
    "POST", "/api/v1/bot/orders/{client_id}/confirm", TAG, body=asks.Why, answer=models.Done, status=202, key=True,
    problems=(404, 409), path_parameters={"client_id": CLIENT_ID},
)  # fmt: skip
async def confirm(call: Call[Nothing, asks.Why]) -> web.Response:
    """Confirm an order that waits.

    The gate judges it again, as of now: it may be denied, or become smaller, never larger than what was shown.
    """
    return await _said(call, confirmed=True)


@api.add(
    "POST", "/api/v1/bot/orders/{client_id}/refuse", TAG, body=asks.Why, answer=models.Done, status=202, key=True,
    problems=(404, 409), path_parameters={"client_id": CLIENT_ID},
)  # fmt: skip
async def refuse(call: Call[Nothing, asks.Why]) -> web.Response:
    """Refuse an order that waits; it is given up."""
    return await _said(call, confirmed=False)


async def _said(call: Call[Nothing, asks.Why], *, confirmed: bool) -> web.Response:
    commands, client_id = call.app[COMMANDS], call.request.match_info["client_id"]
    try:
        done = await (commands.confirm if confirmed else commands.refuse)(client_id, call.body.reason)
    except RefusedError as error:
        if error.code != "NoSuchConfirmation":
            raise
        raise Problem(404, error.code, error.text) from None
    return _answer(done)


def _answer(done: Done) -> web.Response:
    made = done.decision
    if made is not None and not made.approved and made.code != DenialCode.CONFIRMATION_REFUSED:
        facts = ", ".join(f"{name} {value}" for name, value in made.facts)
        raise Problem(409, made.code, f"{answers.meaning(made.code)}{f' ({facts})' if facts else ''}")
    return answers.json({"decision": answers.decided(made) if made else None, "committed": done.committed}, 202)
