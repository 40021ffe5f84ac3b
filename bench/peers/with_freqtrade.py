"""freqtrade's backtesting over the bars of the comparison, its exchange stubbed so that it needs no network.

Runs in an environment of its own. The clock runs over its own backtest of one strategy: indicators, signals, trades.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ccxt.async_support
import pandas as pd
from data import read
from freqtrade.configuration import TimeRange
from freqtrade.enums import RunMode, TradingMode
from freqtrade.optimize.backtesting import Backtesting

PAIR = "BTC/USDT"
CAPITAL = 1_000_000.0
FEE = 0.001
STRATEGY = """
from freqtrade.strategy import IStrategy

class OneUnit(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi = {}
    stoploss = -0.99
    startup_candle_count = 0
    process_only_new_candles = False

    def populate_indicators(self, dataframe, metadata):
        dataframe["fast"] = dataframe["close"].rolling(50).mean()
        dataframe["slow"] = dataframe["close"].rolling(200).mean()
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["fast"] > dataframe["slow"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["fast"] < dataframe["slow"], "exit_long"] = 1
        return dataframe

    def custom_stake_amount(self, current_rate, **kwargs):
        return current_rate
"""


async def _markets(self: Any, *_: Any, **__: Any) -> Any:
    """Stand in for the exchange's list of markets."""
    limits = {name: {"min": None, "max": None} for name in ("amount", "price", "cost", "leverage", "market")}
    market = {
        "id": "BTCUSDT", "symbol": PAIR, "base": "BTC", "quote": "USDT", "baseId": "BTC", "quoteId": "USDT",
        "type": "spot", "spot": True, "margin": False, "swap": False, "future": False, "option": False,
        "contract": False, "active": True, "settle": None, "linear": None, "inverse": None, "contractSize": None,
        "taker": FEE, "maker": FEE, "percentage": True, "precision": {"amount": 0.00001, "price": 0.01},
        "limits": limits, "info": {},
    }  # fmt: skip
    self.set_markets([market])
    return self.markets


def _configuration(folder: Path) -> dict[str, Any]:
    (folder / "one_unit.py").write_text(STRATEGY)
    prices = {"price_side": "same", "use_order_book": False, "order_book_top": 1}
    return {
        "runmode": RunMode.BACKTEST, "trading_mode": TradingMode.SPOT, "candle_type_def": "spot",
        "stake_currency": "USDT", "stake_amount": 1000.0, "dry_run": True, "dry_run_wallet": CAPITAL,
        "max_open_trades": 1, "timeframe": "1m", "fee": FEE, "strategy": "OneUnit", "strategy_path": str(folder),
        "user_data_dir": folder, "datadir": folder, "exportdirectory": folder, "export": "none",
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": [], "enable_ws": False},
        "pairlists": [{"method": "StaticPairList"}], "entry_pricing": prices, "exit_pricing": prices,
        "dataformat_ohlcv": "feather", "dataformat_trades": "feather", "backtest_cache": "none",
        "unfilledtimeout": {"entry": 10, "exit": 10}, "tradable_balance_ratio": 1.0,
        "cancel_open_orders_on_exit": False, "original_config": {}, "internals": {}, "verbosity": 0,
        "last_stake_amount_min_ratio": 0.5, "disableparamexport": True,
    }  # fmt: skip


def main(bars: Path) -> dict[str, object]:
    """Trade."""
    logging.disable(logging.CRITICAL)
    ccxt.async_support.binance.load_markets = _markets
    rows = read(bars / "bars.csv")
    frame = pd.DataFrame(rows, columns=["date", "open", "high", "low", "close"])
    frame["date"] = pd.to_datetime(frame["date"], unit="s", utc=True)
    frame[["open", "high", "low", "close"]] /= 100
    frame["volume"] = 1000.0
    with tempfile.TemporaryDirectory() as folder:
        backtesting = Backtesting(_configuration(Path(folder)))
        (strategy,) = backtesting.strategylist
        gc.collect()
        begun = time.process_time()
        backtesting.backtest_one_strategy(strategy, {PAIR: frame}, TimeRange())
        spent = time.process_time() - begun
    trades = backtesting.all_bt_content["OneUnit"]["results"]
    orders, equity = 0, CAPITAL
    for trade in trades.itertuples():
        bought = trade.amount * trade.open_rate
        equity -= bought * (1 + FEE)
        orders += 1
        if trade.exit_reason == "force_exit":
            equity += trade.amount * rows[-1][4] / 100
            continue
        equity += trade.amount * trade.close_rate * (1 - FEE)
        orders += 1
    return {"events": len(rows), "cpu_seconds": spent, "orders": orders, "final_equity": repr(equity)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
