"""The HTTP door: reads a request, lets the exchange act, and lets the fault plan spoil the answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from . import errors
from .calls import Call
from .faults import Kind, Rule, Struck
from .limits import weight
from .routes import ROUTES, Route
from .signing import ApiKey, check_age, check_key, check_signature

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .exchange import Exchange
    from .journal import Entry

    Delay = Callable[[float], Awaitable[None]]

PAGE = "<!DOCTYPE html><html><body><h1>The request could not be satisfied.</h1></body></html>"
MOST_BYTES = 1_000_000


@dataclass(slots=True)
class Answer:
    """What the exchange would say if nothing went wrong."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def refusal(cls, error: errors.ApiError) -> Answer:
        return cls(error.status, json.dumps(error.body()), dict(error.headers))


class Door:
    """Serves one exchange."""

    def __init__(self, exchange: Exchange, delay: Delay = asyncio.sleep) -> None:
        self.exchange = exchange
        self._delay = delay
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let go of every request that is held without an answer."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        query = request.rel_url.raw_query_string
        params = dict(parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))
        struck = self.exchange.faults.decide(request.method, request.path, params)
        entry = self.exchange.journal.open(request.method, request.path, params)
        entry.faults = struck.labels()
        if struck.delay_ms:
            await self._delay(struck.delay_ms / 1000)
        fault = struck.transport
        if fault is not None and not fault.processed:
            return await self._spoil(request, entry, fault, None)
        answer = self._act(request, entry, struck, params, (query, body))
        if fault is not None:
            return await self._spoil(request, entry, fault, answer)
        entry.answered = True
        return self._say(entry, answer)

    def _act(
        self, request: web.Request, entry: Entry, struck: Struck, params: dict[str, str], sent: tuple[str, str]
    ) -> Answer:
        """Let the exchange act: limits, who asks, then the route. Synchronous, so nothing comes in between."""
        try:
            route = self._admit(request, struck, params)
            key = self._identify(request, route, struck, params, sent)
            result = route.handle(Call(self.exchange, params, struck, key))
        except errors.ApiError as error:
            entry.code = error.code
            return Answer.refusal(error)
        entry.processed = True
        return Answer(200, json.dumps(result))

    def _admit(self, request: web.Request, struck: Struck, params: Mapping[str, str]) -> Route:
        """Count the request and find its route."""
        route = ROUTES.get((request.method, request.path))
        cost = weight(request.method, request.path, params)
        is_order = route is not None and route.is_order
        self.exchange.limiter.admit(self.exchange.clock.now_ms(), cost, is_order=is_order)
        if route is None:
            raise errors.ApiError(-1, f"{request.method} {request.path} is not served by this exchange.", 404)
        refusal = struck.get(Kind.REJECT)
        if refusal is not None:
            raise errors.ApiError(refusal.code, refusal.msg, refusal.status or 400)
        return route

    def _identify(
        self, request: web.Request, route: Route, struck: Struck, params: Mapping[str, str], sent: tuple[str, str]
    ) -> ApiKey | None:
        if not route.signed:
            return None
        key = check_key(self.exchange.keys, request.headers.get("X-MBX-APIKEY"))
        check_signature(key, *sent)
        skew = struck.get(Kind.CLOCK_SKEW)
        check_age(params, self.exchange.clock.now_ms() + (skew.ms if skew else 0))
        return key

    def _say(self, entry: Entry, answer: Answer) -> web.Response:
        entry.status = answer.status
        headers = {**self.exchange.limiter.headers(self.exchange.clock.now_ms()), **answer.headers}
        return web.Response(status=answer.status, text=answer.text, headers=headers, content_type=answer.content_type)

    async def _spoil(
        self, request: web.Request, entry: Entry, fault: Rule, answer: Answer | None
    ) -> web.StreamResponse:
        if fault.kind is Kind.TIMEOUT:
            await self._closing.wait()
            return web.Response(status=499)
        if fault.kind is Kind.DROP:
            return _drop(request)
        if fault.kind is Kind.CUT_BODY:
            return await _cut(request, answer or Answer(200, "{}" * 50))
        if fault.kind is Kind.BAN:
            self.exchange.limiter.ban(self.exchange.clock.now_ms(), fault.retry_after)
        spoiled = _spoiled(fault, answer)
        if spoiled.content_type == "application/json" and spoiled.status >= 400:
            entry.code = fault.code or (json.loads(spoiled.text)["code"] if spoiled.text else 0)
        return self._say(entry, spoiled)


def _spoiled(fault: Rule, answer: Answer | None) -> Answer:
    """The answer that is sent instead."""
    wait = {"Retry-After": str(fault.retry_after)}
    if fault.kind is Kind.HTML:
        return Answer(fault.status or 200, PAGE, content_type="text/html")
    if fault.kind is Kind.HALF_JSON:
        whole = answer.text if answer and answer.status == 200 else '{"symbol": "BTCUSDT", "orderId": 1}'
        return Answer(200, whole[: len(whole) // 2])
    if fault.kind is Kind.EMPTY:
        return Answer(200, fault.msg or "{}")
    if fault.kind is Kind.HTTP_ERROR and not fault.code:
        return Answer(fault.status or 500, "")
    code, msg, status, headers = {
        Kind.HTTP_ERROR: (fault.code, fault.msg, fault.status or 500, {}),
        Kind.STATUS_UNKNOWN: (
            -1007,
            "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
            fault.status or 504,
            {},
        ),
        Kind.UNAVAILABLE: (-1001, "Internal error; unable to process your request. Please try again.", 503, {}),
        Kind.OVERLOADED: (
            -1008,
            "Server is currently overloaded with other requests. Please try again in a few minutes.",
            503,
            {},
        ),
        Kind.RATE_LIMIT: (-1003, "Too many requests; current limit is 6000 request weight per 1 MINUTE.", 429, wait),
        Kind.BAN: (-1003, "Way too many requests; IP banned. Please use WebSocket Streams.", 418, wait),
        Kind.MAINTENANCE: (-1000, "System is under maintenance.", 503, {}),
    }[fault.kind]
    return Answer(status, json.dumps({"code": code, "msg": msg}), headers)


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


async def _cut(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Promise the whole body, send the first half, and close."""
    data = answer.text.encode()
    response = web.StreamResponse(status=answer.status, headers={"Content-Length": str(len(data))})
    response.content_type = answer.content_type
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
