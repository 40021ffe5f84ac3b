"""nautilus_trader's backtest engine over the ticks of the comparison. Runs in an environment of its own."""

from __future__ import annotations

import gc
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

from data import read
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import BTC, USD
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy
from signal_sma import Cross

VENUE = Venue("SIM")
SYMBOL = InstrumentId(Symbol("BTC/USD"), VENUE)
CAPITAL = 1_000_000


class OneUnit(Strategy):
    """Long one unit while the fast average is above the slow one, flat otherwise."""

    def __init__(self) -> None:
        super().__init__(StrategyConfig())
        self.take = Cross().take
        self.long = False
        self.one = Quantity.from_str("1.000")

    def on_start(self) -> None:
        """Listen."""
        self.subscribe_trade_ticks(SYMBOL)

    def on_trade_tick(self, tick: TradeTick) -> None:
        """Order where the averages changed sides."""
        above = self.take(round(tick.price.as_double() * 100))
        if above > 0 and not self.long:
            self.long = True
            self.submit_order(self.order_factory.market(SYMBOL, OrderSide.BUY, self.one))
        elif above < 0 and self.long:
            self.long = False
            self.submit_order(self.order_factory.market(SYMBOL, OrderSide.SELL, self.one))


def instrument() -> CurrencyPair:
    """Make the pair with the fees of the comparison."""
    fee = Decimal("0.001")
    return CurrencyPair(
        instrument_id=SYMBOL, raw_symbol=Symbol("BTCUSD"), base_currency=BTC, quote_currency=USD, price_precision=2,
        size_precision=3, price_increment=Price.from_str("0.01"), size_increment=Quantity.from_str("0.001"),
        ts_event=0, ts_init=0, maker_fee=fee, taker_fee=fee,
    )  # fmt: skip


def main(folder: Path) -> dict[str, object]:
    """Trade; the clock runs over the engine's run alone."""
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR", bypass_logging=True)))
    engine.add_venue(
        venue=VENUE, oms_type=OmsType.NETTING, account_type=AccountType.CASH, base_currency=None,
        starting_balances=[Money(CAPITAL, USD), Money(0, BTC)], trade_execution=True,
    )  # fmt: skip
    engine.add_instrument(instrument())
    size = Quantity.from_str("1000.000")
    rows = read(folder / "ticks.csv")
    # Without an aggressor, a trade sets both sides of the engine's book, so that market orders find a price.
    ticks = [
        TradeTick(
            SYMBOL, Price(price / 100, 2), size, AggressorSide.NO_AGGRESSOR, TradeId(str(n)), ts * 10**9, ts * 10**9
        )
        for n, (ts, price) in enumerate(rows)
    ]
    engine.add_data(ticks)
    engine.add_strategy(OneUnit())
    gc.collect()
    begun = time.process_time()
    engine.run()
    spent = time.process_time() - begun
    account = engine.trader.generate_account_report(VENUE)
    totals = {str(row["currency"]): Decimal(str(row["total"])) for _, row in account.iterrows()}
    filled = sum(1 for order in engine.cache.orders() if order.is_closed and order.filled_qty > 0)
    equity = totals["USD"] + totals.get("BTC", Decimal(0)) * rows[-1][1] / 100
    return {"events": len(ticks), "cpu_seconds": spent, "orders": filled, "final_equity": str(equity)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
