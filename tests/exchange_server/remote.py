"""The control of a server in another process: `/control/…`, JSON in and out, only where it was switched on."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .amounts import plain
from .faults import FaultPlan
from .views import fill_json, order_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .control import ExchangeServer

PREFIX = "/control"


class Remote:
    """Routes that move the market, script faults and tell the truth."""

    def __init__(self) -> None:
        self.server: ExchangeServer | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(f"{PREFIX}/truth", self._answering(self._truth)),
            web.get(f"{PREFIX}/journal", self._answering(self._journal)),
            web.post(f"{PREFIX}/move", self._answering(self._move)),
            web.post(f"{PREFIX}/trade", self._answering(self._trade)),
            web.post(f"{PREFIX}/faults", self._answering(self._faults)),
            web.post(f"{PREFIX}/publish", self._answering(self._publish)),
        ]

    def _answering(
        self, act: Callable[[ExchangeServer, dict[str, Any]], object]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if self.server is None:
                return web.json_response({"error": "the server has not started"}, status=503)
            text = await request.text()
            try:
                return web.json_response(act(self.server, json.loads(text) if text else {}))
            except (ValueError, KeyError, ArithmeticError, TypeError) as error:
                return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

        return handle

    @staticmethod
    def _truth(server: ExchangeServer, _: dict[str, Any]) -> object:
        accounts = {key.account for key in server.keys}
        return {
            "orders": [order_json(order) for order in server.truth.orders],
            "fills": [fill_json(fill) for fill in server.truth.fills],
            "balances": {
                account: {asset: plain(total) for asset, total in server.truth.balances(account).items()}
                for account in sorted(accounts)
            },
        }

    @staticmethod
    def _journal(server: ExchangeServer, _: dict[str, Any]) -> object:
        return {"digest": server.journal.digest(), "entries": server.journal.json()}

    @staticmethod
    def _move(server: ExchangeServer, what: dict[str, Any]) -> object:
        server.market.move(what["symbol"], Decimal(str(what["price"])), size=Decimal(str(what.get("size", "10"))))
        return {"last": plain(server.market.last(what["symbol"]))}

    @staticmethod
    def _trade(server: ExchangeServer, what: dict[str, Any]) -> object:
        server.market.trade(what["symbol"], Decimal(str(what["price"])), Decimal(str(what["quantity"])))
        return {"last": plain(server.market.last(what["symbol"]))}

    @staticmethod
    def _faults(server: ExchangeServer, what: dict[str, Any]) -> object:
        plan = FaultPlan.load(json.dumps(what))
        server.faults.seed, server.faults.rules = plan.seed, plan.rules
        return {"rules": len(plan.rules)}

    @staticmethod
    def _publish(server: ExchangeServer, _: dict[str, Any]) -> object:
        return {"published": server.exchange.publish_fills()}
