"""A faulty exchange: speaks enough of Binance's spot API that the unmodified ccxt class trades with it."""

from .clock import Clock, ManualClock, WallClock
from .control import KEY, SECRET, ExchangeServer
from .errors import ApiError, BrokenInvariantError
from .faults import FaultPlan, Kind, Rule
from .instruments import Instrument
from .limits import Limits
from .signing import ApiKey

__all__ = [
    "KEY",
    "SECRET",
    "ApiError",
    "ApiKey",
    "BrokenInvariantError",
    "Clock",
    "ExchangeServer",
    "FaultPlan",
    "Instrument",
    "Kind",
    "Limits",
    "ManualClock",
    "Rule",
    "WallClock",
]
