"""Feature flags: listed and switched. They live in Redis, under `feature:<name>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.config.flags import FlagsError
from tradingbot.domain.flags import OFF
from tradingbot.web import answers, asks, models
from tradingbot.web.keys import CONTROL, FLAGS
from tradingbot.web.openapi import Api, Call, Nothing
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from typing import Any

    from aiohttp import web

    from tradingbot.config.flags import Flags

api = Api()
TAG = "flags"
NAME = {"name": "Letters, digits, dots, dashes and underscores."}


def _flags(call: Call[Any, Any]) -> Flags:
    found = call.app.get(FLAGS)
    if found is None:
        text = "this bot has no Redis, so it has no flags: set REDIS_URL (spec.redis.secretRef of the TradingBot)"
        raise Problem(409, "NoRedis", text)
    return found


@api.add("GET", "/api/v1/flags", TAG, answer=models.FlagList, problems=(409, 503))
async def listed(call: Call[Nothing, Nothing]) -> web.Response:
    """List all feature flags, and how this bot goes by those that steer it."""
    flags, picture = _flags(call), call.app[CONTROL].picture
    off = picture.flags_off if picture is not None else ()
    steering = [{"name": name, "enabled": name not in off, "off": meaning} for name, meaning in OFF.items()]
    try:
        return answers.json({"flags": await flags.all(), "steering": steering})
    except FlagsError as error:
        raise _lost(error) from error


@api.add("GET", "/api/v1/flags/{name}", TAG, answer=models.Flag, problems=(400, 409), path_parameters=NAME)
async def one(call: Call[Nothing, Nothing]) -> web.Response:
    """Say whether a flag is on, as this bot knows it: asked once a minute; off where it was never set."""
    flags, name = _flags(call), call.request.match_info["name"]
    try:
        return answers.json({"name": name, "enabled": await flags.is_enabled(name)})
    except ValueError as error:
        raise Problem(400, "BadParameter", str(error)) from None


@api.add(
    "PUT", "/api/v1/flags/{name}", TAG, body=asks.FlagValue, answer=models.Flag, key=True, problems=(409, 503),
    path_parameters=NAME,
)  # fmt: skip
async def switch(call: Call[Nothing, asks.FlagValue]) -> web.Response:
    """Switch a flag. Those that steer count within a second for every bot that shares the Redis, others in a minute."""
    flags, name = _flags(call), call.request.match_info["name"]
    try:
        await flags.set(name, enabled=call.body.enabled)
    except ValueError as error:
        raise Problem(400, "BadParameter", str(error)) from None
    except FlagsError as error:
        raise _lost(error) from error
    return answers.json({"name": name, "enabled": call.body.enabled})


def _lost(error: FlagsError) -> Problem:
    return Problem(503, "RedisUnavailable", f"Redis does not answer, try again: {error}")
