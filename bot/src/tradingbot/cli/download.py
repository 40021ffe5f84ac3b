"""`tradingbot download`. Everything heavy is imported inside the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def download(
    symbol: Annotated[list[str], typer.Option(metavar="BASE/QUOTE", help="What to download; may be repeated.")],
    begin: Annotated[str, typer.Option("--from", metavar="DATE", help="First day or moment (UTC), included.")],
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last moment (UTC), excluded; now.")] = None,
    timeframe: Annotated[str, typer.Option(help="Length of a candle: 1m, 5m, 1h, 1d.")] = "1m",
    exchange: Annotated[str, typer.Option(help="Exchange, as ccxt names it.")] = "binance",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder; files go to candles/EXCHANGE/BASE-QUOTE/TIMEFRAME.parquet.")
    ] = Path("data"),
    exchange_url: Annotated[
        str, typer.Option(help="Address in the place of the exchange's own, for a proxy or a test exchange.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON and nothing else.")] = False,
) -> None:
    """Download candles into Parquet, for backtests and simulations. Run again, it fetches what is missing.

    Exit codes: 0 done (gaps that the exchange has itself are listed), 2 wrong option, 65 no such symbol or candles,
    69 the exchange does not answer, 74 a file cannot be written, 130 interrupted. What came is kept in any case.
    """
    from tradingbot.cli.download_run import Wanted, run

    wanted = Wanted(exchange, tuple(symbol), timeframe, begin, end, output, exchange_url)
    raise typer.Exit(run(wanted, as_json=as_json))
