"""What handlers find in the application."""

from __future__ import annotations

from aiohttp import web

from tradingbot.config.flags import Flags
from tradingbot.config.model import Settings
from tradingbot.observe.health import Health
from tradingbot.observe.metrics import Metrics
from tradingbot.ports.store import Store
from tradingbot.runtime.commands import Commands
from tradingbot.runtime.control import Control
from tradingbot.runtime.reload import Reload

COMMANDS = web.AppKey("commands", Commands)
CONTROL = web.AppKey("control", Control)
FLAGS = web.AppKey("flags", Flags)
HEALTH = web.AppKey("health", Health)
METRICS = web.AppKey("metrics", Metrics)
RELOAD = web.AppKey("reload", Reload)
SETTINGS = web.AppKey("settings", Settings)
STORE = web.AppKey("store", Store)
