"""Downloading candles: what is missing is asked for, page by page; what came is kept, whatever happens next."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tradingbot.backtest.setup import iso, moment
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.market import SECOND, timeframe
from tradingbot.feeds.archive import Archive
from tradingbot.ports.venue import Unavailable
from tradingbot.runtime.clock import WallClock
from tradingbot.venues.ccxt.gateway import Credentials
from tradingbot.venues.ccxt.live import LiveVenue
from tradingbot.venues.ccxt.terms import VenueConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXIT_USAGE, EXIT_DATA, EXIT_UNREACHABLE, EXIT_OUTPUT, EXIT_INTERRUPTED = 2, 65, 69, 74, 130
PAGE = 1000
PAGES_PER_WRITE = 20
"""So many pages at most are lost when the process is killed."""
ATTEMPTS = 5
SHOWN_GAPS = 20


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line."""

    exchange: str
    symbols: tuple[str, ...]
    timeframe: str
    begin: str
    end: str | None
    output: Path
    exchange_url: str = ""


class NotToldError(Exception):
    """The exchange does not answer."""


def run(wanted: Wanted, *, as_json: bool) -> int:
    """Download; return the exit code."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        length = timeframe(wanted.timeframe)
        begin = moment(wanted.begin, "--from")
        end = moment(wanted.end, "--to") if wanted.end is not None else None
    except (ValueError, ConfigurationError) as error:
        errors.print(str(error), markup=False)
        return EXIT_USAGE
    now = round(WallClock().now().timestamp() * SECOND)
    until = now if end is None else min(end, now)
    if begin >= until:
        errors.print(f"--from {wanted.begin} must lie before --to {wanted.end or 'now'}", markup=False)
        return EXIT_USAGE
    try:
        with _progress(errors, quiet=as_json) as tell:
            archives = asyncio.run(_download(wanted, length, (begin, until), now, tell))
    except ConfigurationError as error:
        errors.print(error.message, markup=False)
        return EXIT_DATA
    except NotToldError as error:
        errors.print(f"the exchange does not answer: {error}; what came is kept, run it again to go on", markup=False)
        return EXIT_UNREACHABLE
    except OSError as error:
        errors.print(f"cannot write a file: {error}", markup=False)
        return EXIT_OUTPUT
    except KeyboardInterrupt:
        errors.print("interrupted: what came is kept, run it again to go on", markup=False)
        return EXIT_INTERRUPTED
    found = {symbol: _told(archive, (begin, until)) for symbol, archive in archives.items()}
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _show(found, Console(highlight=False, soft_wrap=True))
    if any(not told["candles"] for told in found.values()):
        errors.print("the exchange has no candles of that time", markup=False)
        return EXIT_DATA
    return 0


async def _download(
    wanted: Wanted, length: int, span: tuple[int, int], now: int, tell: Callable[[str, int, int], None]
) -> dict[str, Archive]:
    clock = WallClock()
    config = VenueConfig(exchange=wanted.exchange, symbols=wanted.symbols, test_mode=False, api_url=wanted.exchange_url)
    venue = LiveVenue(config, Credentials("", ""), clock, options={})
    archives: dict[str, Archive] = {}
    try:
        problem = await venue.open(frozenset(wanted.symbols), account=False)
        if problem:
            raise NotToldError(problem)
        for symbol in wanted.symbols:
            archive = Archive(wanted.output, wanted.exchange, venue.instruments[symbol], wanted.timeframe, length)
            await asyncio.to_thread(archive.load)
            archives[symbol] = archive
            await _fill(venue, symbol, wanted.timeframe, archive, span, now, tell)
    finally:
        await venue.close()
    return archives


async def _fill(
    venue: LiveVenue,
    symbol: str,
    name: str,
    archive: Archive,
    span: tuple[int, int],
    now: int,
    tell: Callable[[str, int, int], None],
) -> None:
    """Ask for everything that is missing of a span; write every now and then, and in any case at the end."""
    pages = 0
    try:
        for begin, end in archive.missing(*span):
            at = begin
            while at < end:
                rows = await _page(venue, symbol, name, at)
                inside = [row for row in rows if at <= row.opened < end]
                archive.add(inside, now)
                pages += 1
                if pages % PAGES_PER_WRITE == 0:
                    await asyncio.to_thread(archive.write)
                # An empty page, or one that begins beyond the end: the exchange has nothing in between.
                at = max(row.opened for row in inside) + archive.length if inside else end
                tell(symbol, at - span[0], span[1] - span[0])
    finally:
        if archive.added:
            archive.write()


async def _page(venue: LiveVenue, symbol: str, name: str, since: int) -> list[Any]:
    problem = ""
    for attempt in range(ATTEMPTS):
        rows = await venue.candles(symbol, name, since, PAGE)
        if not isinstance(rows, Unavailable):
            return list(rows)
        problem = rows.cause
        if attempt + 1 < ATTEMPTS:
            await venue.gateway.clock.sleep(float(2**attempt))
    raise NotToldError(problem)


def _told(archive: Archive, span: tuple[int, int]) -> dict[str, Any]:
    """Say what there is now, and which candles are missing between the first and the last."""
    if not len(archive):
        return {"file": str(archive.path), "candles": 0, "added": 0, "left_out": archive.left_out, "gaps": []}
    first, last = archive.span()
    gaps = archive.missing(max(first, span[0]), min(last, span[1]))
    return {
        "file": str(archive.path),
        "candles": len(archive),
        "added": archive.added,
        "first": iso(first),
        "last": iso(last),
        "left_out": archive.left_out,
        "missing": sum((end - begin) // archive.length for begin, end in gaps),
        "gaps": [{"from": iso(begin), "to": iso(end)} for begin, end in gaps],
    }


def _show(found: dict[str, dict[str, Any]], console: Console) -> None:
    for symbol, told in found.items():
        console.print(f"[bold]{symbol}[/bold] {told['file']}")
        if not told["candles"]:
            continue
        console.print(f"  {told['candles']:,} candles, {told['first']} to {told['last']}; new: {told['added']:,}")
        if told["left_out"]:
            console.print(f"  left out, as they are no candles: {told['left_out']}")
        if told["gaps"]:
            console.print(f"  [yellow]missing at the exchange: {told['missing']} candles[/yellow]")
            for gap in told["gaps"][:SHOWN_GAPS]:
                console.print(f"    {gap['from']} to {gap['to']}")
            if len(told["gaps"]) > SHOWN_GAPS:
                console.print(f"    and {len(told['gaps']) - SHOWN_GAPS} more; --json lists all")
        else:
            console.print("  no gap")


class _progress:  # noqa: N801 - used as a function
    """A bar per symbol on a terminal, nothing elsewhere."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        shown = console.is_terminal and not quiet
        self._bar = Progress(*columns, console=console, transient=True) if shown else None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, int, int], None]:
        if self._bar is not None:
            self._bar.start()
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _tell(self, symbol: str, done: int, total: int) -> None:
        if self._bar is None:
            return
        if symbol not in self._tasks:
            self._tasks[symbol] = self._bar.add_task(symbol, total=total)
        self._bar.update(self._tasks[symbol], completed=done)
