"""`tradingbot`: run, backtest, download, strategies, check-config, preflight, kill; and what talks to a running bot."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradingbot.cli import remote
from tradingbot.cli.backtest import backtest, strategy_names
from tradingbot.cli.download import download
from tradingbot.domain.secrecy import conceal

if TYPE_CHECKING:
    from types import TracebackType

app = typer.Typer(
    name="tradingbot",
    help="A trading bot whose every order is recorded before it is sent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; the environment overrides it.", envvar="CONFIG_PATH"),
]


def _version(wanted: bool) -> None:
    if wanted:
        from tradingbot import __version__

        typer.echo(f"tradingbot {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Commands below."""


@app.command()
def run(
    config: ConfigFile = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="Name of the strategy; `strategies` lists them.", autocompletion=strategy_names),
    ] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Symbol like BTC/USD; may be given more than once.")] = None,
    speed: Annotated[str | None, typer.Option(help="Market seconds per second; 0 is as fast as it can.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page and the API (8080).")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; alone, 127.0.0.1: this machine only.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the ledger, for a bot that runs without a database server.")
    ] = None,
) -> None:
    """Trade until SIGTERM or Ctrl-C. Without any configuration: a simulation on this machine, kept in one folder."""
    from tradingbot.cli.alone import Wanted
    from tradingbot.cli.run import run_bot
    from tradingbot.config.load import Option

    options = [
        Option("--strategy", ("strategy", "name"), strategy),
        Option("--symbol", ("strategy", "symbols"), symbol),
        Option("--speed", ("simulation", "feed", "speed"), speed),
        Option("--port", ("http", "port"), port),
        Option("--host", ("http", "host"), host),
    ]
    given = [option for option in options if option.value not in (None, [])]
    raise typer.Exit(run_bot(Wanted(config, data_dir, given)))


app.command()(backtest)
app.command()(download)
app.command()(remote.decisions)
for group in remote.GROUPS:
    app.add_typer(group)


@app.command()
def strategies() -> None:
    """List the installed strategies and their parameters."""
    from tradingbot.cli.strategies import show

    show()


@app.command("check-config")
def check_config(file: Annotated[Path, typer.Argument(help="Configuration file to check.")]) -> None:
    """Check a configuration as `run` would, without starting."""
    from tradingbot.cli.run import check

    raise typer.Exit(check(file))


@app.command()
def preflight(config: ConfigFile = None) -> None:
    """Look whether a bot could trade on this account. Trades nothing; prints a report."""
    from tradingbot.cli.jobs import run_preflight

    raise typer.Exit(run_preflight(config))


@app.command()
def kill(
    stop_id: Annotated[str, typer.Option(help="The emergency stop that this carries out, as in status.emergencyStop.")],
    close_positions: Annotated[bool, typer.Option("--close-positions", help="Sell what is this bot's.")] = False,
    deadline: Annotated[float, typer.Option(min=10, max=3600, help="Seconds for all of it.")] = 60.0,
    config: ConfigFile = None,
) -> None:
    """Take back what an unreachable bot has left at the exchange, and shut it out of its database."""
    from tradingbot.cli.jobs import run_kill

    raise typer.Exit(run_kill(config, stop_id, deadline, close_positions=close_positions))


def _say_without_secrets(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write a traceback as Python does, without what this process must not say."""
    import traceback

    sys.stderr.write(conceal("".join(traceback.format_exception(kind, error, trace))))


def main() -> None:
    """Entry point of the command `tradingbot`."""
    # Of what a start makes, modules and models, hardly anything is garbage.
    gc.set_threshold(10_000)
    threading.excepthook = lambda told: _say_without_secrets(
        told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback
    )
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the last line of defence: Python itself would print all of the text
        _say_without_secrets(type(error), error, error.__traceback__)
        raise SystemExit(os.EX_SOFTWARE) from None


if __name__ == "__main__":
    main()
