"""`tradingbot`: run, backtest, strategies, check-config, preflight."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradingbot.cli.backtest import backtest

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
def run(config: ConfigFile = None) -> None:
    """Trade until SIGTERM or Ctrl-C."""
    from tradingbot.cli.run import run_bot

    raise typer.Exit(run_bot(config))


app.command()(backtest)


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


def main() -> None:
    """Entry point of the command `tradingbot`."""
    app()


if __name__ == "__main__":
    main()
