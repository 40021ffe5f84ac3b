"""`X-API-Key` for everything that changes something. Without a key in the configuration, nothing can be changed."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from tradingbot.web.keys import SETTINGS
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from aiohttp import web
    from pydantic import SecretStr

SHORTEST_KEY = 16
"""Characters. A shorter key can be guessed by asking."""


def weakness(key: SecretStr | None) -> str:
    """Say that a key is too short; empty when it is not, or when there is none.

    It opens what it opened before all the same: a bot that refused its key could not be stopped by it either.
    """
    length = len(key.get_secret_value()) if key is not None else 0
    if not 0 < length < SHORTEST_KEY:
        return ""
    return (
        f"API_KEY has {length} characters, so it can be guessed: make one of at least {SHORTEST_KEY}, for example with "
        "`openssl rand -hex 32`, and start the bot anew"
    )


def require_key(request: web.Request) -> None:
    """Raise unless the request carries the configured key."""
    wanted = request.app[SETTINGS].http.api_key
    if wanted is None or not wanted.get_secret_value():
        text = (
            "this bot has no API key, so nothing can be changed over HTTP: set the environment variable API_KEY "
            "(in a cluster: spec.api.secretRef of the TradingBot), or stop it with spec.emergencyStop.active: true"
        )
        raise Problem(403, "NoApiKeyConfigured", text)
    given = request.headers.get("X-API-Key", "")
    if not given:
        raise Problem(401, "ApiKeyMissing", "send the key in the header X-API-Key")
    if not hmac.compare_digest(_digest(given), _digest(wanted.get_secret_value())):
        raise Problem(401, "ApiKeyWrong", "the key in the header X-API-Key is not the one that is configured")


def _digest(key: str) -> bytes:
    """Hash first: the comparison then takes as long for a key of the wrong length as for any other."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
