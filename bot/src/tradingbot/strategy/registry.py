"""Finding strategies by entry point (group `tradingbot.strategies`), and saying which exist when one does not."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, NamedTuple

from tradingbot.domain.errors import ConfigurationError
from tradingbot.strategy.base import Strategy
from tradingbot.strategy.params import check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GROUP = "tradingbot.strategies"


class Entry(NamedTuple):
    """One installed strategy; `error` says why it could not be loaded."""

    name: str
    source: str
    cls: type[Strategy[Any, Any]] | None
    error: str


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> list[str]:
    """Return the names of all installed strategies, without loading any."""
    return sorted(_points())


def installed() -> list[Entry]:
    """Load every installed strategy; one that fails is reported, not raised."""
    return [_load(point) for _, point in sorted(_points().items())]


def _load(point: EntryPoint) -> Entry:
    try:
        cls = point.load()
    except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises is reported with its name
        return Entry(point.name, point.value, None, f"{type(error).__name__}: {error}")
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        return Entry(
            point.name, point.value, None, f"{point.value} is not a subclass of tradingbot.strategy.base.Strategy"
        )
    if not (cls.hears_candles() or cls.hears_ticks()):
        return Entry(point.name, point.value, None, f"{point.value} implements neither on_candle nor on_tick")
    return Entry(point.name, point.value, cls, "")


def factory(name: str, parameters: Mapping[str, Any]) -> Callable[[], Strategy[Any, Any]]:
    """Check name and parameters once, and return what makes an instance per symbol."""
    points = _points()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        message = f"strategy.name: there is no strategy {name!r}; known are {', '.join(sorted(points))}.{hint}"
        raise ConfigurationError("UnknownStrategy", message)
    entry = _load(points[name])
    if entry.cls is None:
        raise ConfigurationError("UnknownStrategy", f"strategy.name: {name} cannot be loaded: {entry.error}")
    cls = entry.cls
    params = check(cls.Params, parameters, name)
    return lambda: cls(params)
