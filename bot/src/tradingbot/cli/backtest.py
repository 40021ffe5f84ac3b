"""`tradingbot backtest`. Everything heavy is imported inside the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; the environment overrides it, options override both."),
]
OutputFolder = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for report.html and backtest.json.")]


def strategy_names(incomplete: str) -> list[str]:
    """Complete the name of an installed strategy in the shell."""
    from tradingbot.strategy.registry import names

    return [name for name in names() if name.startswith(incomplete)]


def backtest(
    config: ConfigFile = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="An installed strategy; breakout if nothing says another.", autocompletion=strategy_names),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be repeated.")
    ] = None,
    symbol: Annotated[
        list[str] | None, typer.Option(metavar="BASE/QUOTE", help="What to trade; may be repeated.")
    ] = None,
    timeframe: Annotated[str | None, typer.Option(help="Length of a candle: 1m, 5m, 1h, 1d.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder of candles, name of a dataset, or synthetic; recorded if nothing is said."),
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day or moment (UTC), included.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last moment (UTC), excluded.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of latencies and of the synthetic market.")] = None,
    ticks: Annotated[
        bool, typer.Option("--ticks", help="Trade on every trade of the market, not on its candles.")
    ] = False,
    output: OutputFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON and nothing else.")] = False,
) -> None:
    """Trade the past with the engine and the exchange of a simulation, and say what came of it.

    Exit codes: 0 done, 2 wrong option, 65 no such data, 70 strategy failed, 74 report cannot be written,
    78 configuration refused, 130 interrupted.
    """
    from tradingbot.backtest.setup import Options
    from tradingbot.cli.backtest_run import run

    options = Options(
        config=config,
        strategy=strategy,
        parameters=tuple(param or ()),
        symbols=tuple(symbol or ()),
        timeframe=timeframe,
        data=data,
        begin=begin,
        end=end,
        seed=seed,
        ticks=ticks,
    )
    raise typer.Exit(run(options, output, as_json=as_json))
