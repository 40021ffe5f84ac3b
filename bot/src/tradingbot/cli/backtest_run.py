"""Running a backtest for a person or a program: progress, summary, files, exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tradingbot.backtest import result as results
from tradingbot.backtest.run import Backtest
from tradingbot.backtest.setup import Options, iso, market, settings
from tradingbot.cli.backtest_summary import show
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.market import SECOND
from tradingbot.report.html import page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

EXIT_DATA, EXIT_SOFTWARE, EXIT_OUTPUT, EXIT_CONFIGURATION, EXIT_INTERRUPTED = 65, 70, 74, 78, 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DATA_REASONS = ("DataNotFound", "UnknownSymbol")


def run(options: Options, output: Path | None, *, as_json: bool) -> int:
    """Run it; return the exit code."""
    errors = Console(stderr=True, highlight=False)
    try:
        return _run(options, output, as_json=as_json, errors=errors)
    except ConfigurationError as error:
        errors.print(f"{error.reason}: {error.message}", markup=False, soft_wrap=True)
        return EXIT_DATA if error.reason in _DATA_REASONS else EXIT_CONFIGURATION
    except OSError as error:
        text = f"cannot write or read a file: {error}"
        if error.errno in _FULL:
            text += ". Make room, or choose another folder with --output; a report that was there before is kept"
        errors.print(text, markup=False, soft_wrap=True)
        return EXIT_OUTPUT
    except KeyboardInterrupt:
        errors.print("interrupted: nothing was written", markup=False)
        return EXIT_INTERRUPTED


def _run(options: Options, output: Path | None, *, as_json: bool, errors: Console) -> int:
    wanted = settings(options, os.environ)
    if output is not None:
        # Found out before the work, not after it.
        output.mkdir(parents=True, exist_ok=True)
    found = market(wanted, options)
    begun, busy = time.monotonic(), time.process_time()
    try:
        backtest = Backtest(wanted, found)
        with _progress(errors, found.begin, found.end, quiet=as_json) as progress:
            backtest.run(progress)
    finally:
        found.source.close()
    wall, cpu = time.monotonic() - begun, time.process_time() - busy
    result = results.build(backtest)
    document = results.encode(result)
    if output is not None:
        _write({output / "backtest.json": document, output / "report.html": page(document).encode()})
    if as_json:
        sys.stdout.buffer.write(document)
        sys.stdout.flush()
    else:
        show(result, Console(highlight=False))
        speed = f"{result.inputs.candles / cpu:,.0f} candles/s" if cpu > 0 else ""
        errors.print(f"{result.inputs.candles:,} candles in {wall:.1f} s ({cpu:.1f} s CPU, {speed})", style="dim")
        if output is not None:
            errors.print(f"written: {output / 'report.html'}, {output / 'backtest.json'}", markup=False, soft_wrap=True)
        else:
            errors.print("for charts and every trade: --output FOLDER", style="dim")
    failed = [halt for halt in result.halts if halt["source"] == "strategy"]
    if failed:
        errors.print(f"the strategy failed at {failed[0]['ts']}: {failed[0]['reason']}", markup=False, soft_wrap=True)
        return EXIT_SOFTWARE
    return 0


def _write(files: Mapping[Path, bytes]) -> None:
    """Write files whole, all of them or none: what was there before stays until everything is on the disk."""
    parts = {path: path.with_name(f".{path.name}.part") for path in files}
    try:
        for path, content in files.items():
            parts[path].write_bytes(content)
        for path, part in parts.items():
            part.replace(path)
    except OSError:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _progress(console: Console, begin: int, end: int, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(iso(begin)[:10], total=(end - begin) / SECOND)

        def tell(ts: int) -> None:
            bar.update(task, completed=(ts - begin) / SECOND, description=iso(ts)[:10])

        yield tell
