"""The one place that talks to ccxt: makes the client, spends the budget, bounds each call, keeps the evidence."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from tradingbot.domain.errors import ConfigurationError
from tradingbot.venues.ccxt.lean import exchange_class
from tradingbot.venues.ccxt.limits import Budget, Lane, Wait
from tradingbot.venues.ccxt.outcome import LONGEST_TEXT, Evidence, cause, without_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.ports.clock import Clock

PROVEN = frozenset({"binance", "binanceus"})
"""Exchanges whose outcomes, weights and look-ups by client id are written down and tested."""
CLOSE_SECONDS = 5.0
CLOCK_CODE = "-1021"

_evidence: ContextVar[Evidence | None] = ContextVar("_evidence", default=None)


class Credentials:
    """A key and its secret. They leave this object for the signature alone; it has no text of them."""

    __slots__ = ("_key", "_secret")

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key, secret

    @property
    def fingerprint(self) -> str:
        """Return what stands for the key id in reports: 16 hex digits of its sha256."""
        return hashlib.sha256(self._key.encode()).hexdigest()[:16]

    def for_ccxt(self) -> dict[str, str]:
        """Return ccxt's options."""
        return {"apiKey": self._key, "secret": self._secret}

    def scrub(self, text: str) -> str:
        """Take the values out of a text."""
        for value in (self._key, self._secret):
            if value:
                text = text.replace(value, "…")
        return text

    def __repr__(self) -> str:
        return f"Credentials({self.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not written anywhere")


class Reply(msgspec.Struct):
    """What became of one call: an answer, an error, or a wait because nothing was sent."""

    answer: Any = None
    error: Exception | None = None
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    wait: Wait | None = None

    @property
    def problem(self) -> str:
        """Return why there is no answer, empty when there is one."""
        if self.wait is not None:
            return self.wait.text
        return "" if self.error is None else cause(self.error, self.evidence)

    def unreadable(self, shape: str) -> str:
        """Return why the answer cannot be believed. ccxt makes an empty list of a page, `{}` or half a body."""
        if self.problem:
            return self.problem
        if self.evidence.status != 200 or self.evidence.shape != shape:
            return f"HTTP {self.evidence.status} without the {shape} that was asked for"
        return ""


class Gateway:
    """One ccxt client."""

    def __init__(
        self,
        exchange: str,
        credentials: Credentials,
        clock: Clock,
        budget: Budget,
        *,
        test_mode: bool,
        timeout: float,
        api_url: str = "",
        options: Mapping[str, Any],
    ) -> None:
        self.exchange, self.credentials, self.clock, self.budget = exchange, credentials, clock, budget
        self.test_mode, self.timeout, self.api_url = test_mode, timeout, api_url
        self.offset_ms = 0
        """The exchange's clock minus ours; signatures carry the exchange's time."""
        self.skew_doubted = False
        """The exchange refused a request for its time since the skew was measured."""
        self.closing = False
        self._options = dict(options)
        self._client: Any = None
        self._flying = 0
        self._landed = asyncio.Event()

    def __repr__(self) -> str:
        return f"Gateway({self.exchange}, test_mode={self.test_mode}, key={self.credentials.fingerprint})"

    @property
    def client(self) -> Any:
        """Return the client; import ccxt and make it on first use."""
        if self._client is None:
            self._client = self._make()
        return self._client

    async def load(self) -> None:
        """Import the exchange's part of ccxt beside the event loop: it takes half a second."""
        await asyncio.to_thread(exchange_class, self.exchange)

    def _make(self) -> Any:
        make = exchange_class(self.exchange)
        if make is None:
            text = f"exchange.name: ccxt {version('ccxt')} has no exchange {self.exchange!r}"
            raise ConfigurationError("InvalidConfiguration", text)
        settings: dict[str, Any] = {
            "number": str,
            "timeout": int(self.timeout * 1000),
            "enableRateLimit": False,
            "maxRetriesOnFailure": 0,
            "timeout_on_exit": 0,
            **self._options,
            **self.credentials.for_ccxt(),
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchMargins": False,
                "fetchCurrencies": False,
                "warnOnFetchOpenOrdersWithoutSymbol": False,
                "maxRetriesOnFailure": 0,
                **self._options.get("options", {}),
            },
        }
        client = make(settings)
        if self.test_mode:
            if not client.urls.get("test"):
                text = f"exchange.testMode: {self.exchange} has no test exchange; set it to false to trade for real"
                raise ConfigurationError("InvalidConfiguration", text)
            client.set_sandbox_mode(True)
        if self.api_url:
            client.urls["api"] = at(self.api_url, client.urls["api"])
        self._hook(client)
        return client

    def _hook(self, client: Any) -> None:
        """Listen at the two doors that every request passes, and keep the client silent: it logs headers with keys."""
        client.verbose = False
        client.logger = logging.getLogger(__name__ + ".silent")
        client.logger.disabled = True
        client.nonce = lambda: round(self.clock.now().timestamp() * 1000) + self.offset_ms
        fetch, answered = client.fetch, client.on_rest_response

        def fetching(*args: Any, **more: Any) -> Any:
            evidence = _evidence.get()
            if evidence is not None:
                evidence.sent = True
                # A second request of the same call: the evidence is of the last one.
                evidence.status, evidence.shape, evidence.code, evidence.text = 0, "", "", ""
            return fetch(*args, **more)

        def answering(status: int, reason: Any, url: str, method: str, headers: Any, body: str, *rest: Any) -> Any:
            evidence = _evidence.get()
            if evidence is not None:
                _read(evidence, status, headers, body)
                evidence.text = self.credentials.scrub(evidence.text)
            return answered(status, reason, url, method, headers, body, *rest)

        client.fetch, client.on_rest_response = fetching, answering

    async def call(self, method: str, *args: Any, lane: Lane, weight: int, is_order: bool = False) -> Reply:
        """Call the client once, within the budget and the time-out. Never raises but when cancelled; never repeats."""
        if self.closing:
            return Reply(wait=Wait("CLOSED", 0.0))
        wait = self.budget.spend(lane, weight, is_order=is_order)
        if wait is not None:
            return Reply(wait=wait)
        evidence = Evidence()
        token = _evidence.set(evidence)
        self._flying += 1
        try:
            async with asyncio.timeout(self.timeout + 1.0):
                return Reply(answer=await getattr(self.client, method)(*args), evidence=evidence)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever comes through ccxt is judged by `outcome`
            error.args = tuple(self.credentials.scrub(without_query(str(arg))) for arg in error.args)
            return Reply(error=error, evidence=evidence)
        finally:
            _evidence.reset(token)
            self._flying -= 1
            self._landed.set()
            self._obey(evidence)

    def _obey(self, evidence: Evidence) -> None:
        if evidence.status in {418, 429}:
            self.budget.silence(evidence.retry_after, banned=evidence.status == 418)
        if evidence.used_weight is not None:
            self.budget.observe(evidence.used_weight)
        if evidence.code == CLOCK_CODE:
            self.skew_doubted = True

    async def close(self) -> None:
        """End in order: nothing new, wait for what is on its way (bounded), then the sockets."""
        self.closing = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._flying:
                    self._landed.clear()
                    await self._landed.wait()
        except TimeoutError:
            pass
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def at(base: str, addresses: Any) -> Any:
    """Put a base in the place of scheme and host of ccxt's addresses, whose nesting differs by exchange."""
    if isinstance(addresses, dict):
        return {name: at(base, address) for name, address in addresses.items()}
    return base.rstrip("/") + urlsplit(addresses).path if isinstance(addresses, str) else addresses


def _read(evidence: Evidence, status: int, headers: Any, body: str) -> None:
    evidence.status = status
    lower = {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
    evidence.retry_after = _seconds(lower.get("retry-after"))
    used = lower.get("x-mbx-used-weight-1m", "")
    evidence.used_weight = int(used) if used.isdigit() else None
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return
    if isinstance(found, list):
        evidence.shape = "list"
    elif isinstance(found, dict):
        evidence.shape = "dict"
        code = found.get("code")
        if isinstance(code, int | str) and isinstance(found.get("msg"), str):
            evidence.code, evidence.text = str(code), found["msg"][:LONGEST_TEXT]


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
