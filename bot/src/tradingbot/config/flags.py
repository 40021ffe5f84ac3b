"""Feature flags in Redis (`feature:<name>` is `1` or `0`), and the flag that stops a bot. The only importer of redis.

Redis may be lost at any time. What it said last is then what is known; nothing waits for it longer than a second.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tradingbot.domain.flags import OFF
from tradingbot.domain.secrecy import conceal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tradingbot.ports.clock import Clock

CACHE_SECONDS = 60.0
TIMEOUT_SECONDS = 1.0
PREFIX = "feature:"
STOP_PREFIX = "tradingbot:stop:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OFF = ("", "0", "false", "no", "off")


class FlagsError(Exception):
    """Redis does not answer."""


class Flags:
    """The flags of one Redis, for one bot (`namespace/name`)."""

    def __init__(self, url: str, bot: str, clock: Clock) -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            max_connections=4,
        )
        self._clock, self.stop_key = clock, f"{STOP_PREFIX}{bot}"
        self._known: dict[str, tuple[bool, float]] = {}
        self.problem = "not asked yet"
        """Why Redis does not answer; empty while it does."""

    async def is_enabled(self, name: str, *, default: bool = False) -> bool:
        """Tell whether a flag is on: asked once a minute; without Redis what was known last, else the default."""
        now = self._clock.monotonic()
        known = self._known.get(name)
        if known is not None and now - known[1] < CACHE_SECONDS:
            return known[0]
        try:
            text = await self._ask("get", PREFIX + _checked(name))
        except FlagsError:
            return known[0] if known is not None else default
        value = default if text is None else _on(text)
        self._known[name] = (value, now)
        return value

    async def set(self, name: str, *, enabled: bool) -> None:
        """Switch a flag; this process sees it at once, others within a minute."""
        await self._ask("set", PREFIX + _checked(name), "1" if enabled else "0")
        self._known[name] = (enabled, self._clock.monotonic())

    async def all(self) -> dict[str, bool]:
        """List all flags, by name."""
        found = {}
        names = [key async for key in self._keys()]
        for name in sorted(names):
            text = await self._ask("get", PREFIX + name)
            if text is not None:
                found[name] = _on(text)
        return found

    async def _keys(self) -> AsyncIterator[str]:
        cursor = "0"
        while True:
            cursor, keys = await self._ask("scan", cursor, PREFIX + "*", 500)
            for key in keys:
                yield key.removeprefix(PREFIX)
            if str(cursor) == "0":
                return

    async def steering(self) -> dict[str, bool]:
        """Return what is said of the flags that steer a bot; of one that is not set, nothing is said. Not cached."""
        texts = await self._ask("mget", [PREFIX + name for name in OFF])
        return {name: _on(text) for name, text in zip(OFF, texts, strict=True) if text is not None}

    async def stop_asked(self) -> str:
        """Return what the stop flag says, empty when it is not set; raise `FlagsError` when nobody knows."""
        text = await self._ask("get", self.stop_key)
        return "" if text is None or text.strip().lower() in _OFF else str(text)[:200]

    async def _ask(self, command: str, *arguments: object) -> Any:
        from redis.exceptions import RedisError

        try:
            answer = await getattr(self._redis, command)(*arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self.problem = f"{type(error).__name__}: {_without_url(error)}"
            raise FlagsError(self.problem) from error
        self.problem = ""
        return answer

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"a flag's name has letters, digits, dots, dashes and underscores, not {name!r}")
    return name


def _on(text: str) -> bool:
    return text.strip().lower() not in _OFF


def _without_url(error: BaseException) -> str:
    """Describe an error without the URL, which may hold a password."""
    text = str(error).splitlines()
    return re.sub(r"\S+@", "", conceal(text[0])) if text else "no answer"
