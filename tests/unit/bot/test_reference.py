"""Our engine and exchange against others that know neither: the same orders, the same money, to the last digit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from bench.peers import data, ours, reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import BTC, FUTURES
from tests.unit.bot.reference_exchange import Reference, Terms, Wish
from tests.unit.bot.test_sim_exchange import order, submit

from tradingbot.domain.events import Fill
from tradingbot.domain.market import SECOND, Tick
from tradingbot.domain.orders import OrderType, Side
from tradingbot.ports.venue import Accepted
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["ticks", "bars"])
def test_order_count_and_equity_are_those_of_the_plain_loop(tmp_path: Path, kind: str) -> None:
    data.write(tmp_path, 20_000, 20_000)
    rows = data.read(tmp_path / f"{kind}.csv")
    closes, fills = [row[-1] for row in rows], [row[1] for row in rows]
    expected = reference.trade(closes, [*fills[1:], 0])
    found = ours.main(tmp_path, kind)
    assert expected.orders > 100
    assert (found["orders"], Decimal(str(found["final_equity"]))) == expected


def test_the_market_of_the_comparison_never_lets_the_averages_be_equal() -> None:
    made = data.closes(30_000)
    assert made == data.closes(30_000)
    for end in range(data.SLOW, len(made), 7):
        fast, slow = sum(made[end - data.FAST : end]), sum(made[end - data.SLOW : end])
        assert fast * data.SLOW != slow * data.FAST


TERMS = Terms(
    taker=Fraction("0.001"), maker=Fraction("0.0004"), spread=Fraction("0.002"), slippage=Fraction("0.003"),
    share=Fraction("0.1"), depth=Fraction(900), latency=1_500_000, tick=Fraction("0.5"), lot=Fraction("0.0001"),
)  # fmt: skip
ORDERS = st.tuples(
    st.integers(0, 12),
    st.sampled_from(["market", "limit", "stop"]),
    st.booleans(),
    st.integers(1, 20_000),
    st.integers(392, 408).map(lambda n: n * 5),
    st.booleans(),
)


@settings(max_examples=300)
@given(
    market=st.lists(
        st.tuples(st.integers(-4, 4).map(lambda n: n * 5), st.integers(0, 30_000)), min_size=4, max_size=60
    ),
    orders=st.lists(ORDERS, min_size=3, max_size=14),
)
def test_another_exchange_written_from_the_documentation_executes_the_same(
    market: list[tuple[int, int]], orders: list[tuple[int, str, bool, int, int, bool]]
) -> None:
    """Executions, fees, cash and holdings, on random trades and orders of every kind."""
    rules = SimRules(
        commission=Decimal("0.001"), maker_commission=Decimal("0.0004"), spread=Decimal("0.002"),
        slippage=Decimal("0.003"), volume_share=Decimal("0.1"), depth=Decimal(900), latency=1_500_000, latency_jitter=0,
    )  # fmt: skip
    ours_exchange = SimExchange(rules, {"BTC/USD": FUTURES}, {"USD": Decimal(10_000)})
    other = Reference(TERMS, Fraction(10_000))
    price, found = 2000, []
    for number, (move, volume) in enumerate(market):
        price = max(1900, min(2100, price + move))
        ts = number * SECOND + 1
        one = Tick(ts, "BTC/USD", price, volume)
        while replies := ours_exchange.match(one):
            found += [event for event in replies if isinstance(event, Fill)]
        other.trade(ts, Fraction(price, 2), Fraction(volume, 10_000))
        for key, (when, kind, buys, lots, level, reduces) in enumerate(orders):
            if when == number:
                names = {"limit": "limit_price", "stop": "stop_price"}
                at = {names[kind]: BTC.price(level)} if kind in names else {}
                side, quantity = Side.BUY if buys else Side.SELL, BTC.quantity(lots)
                wanted = order(key, side, OrderType(kind), quantity=quantity, reduce_only=reduces, **at)
                ours_exchange.advance(ts)
                if isinstance(submit(ours_exchange, wanted), Accepted):
                    other.send(Wish(f"o{key}", buys, kind, Fraction(quantity), Fraction(level, 2), reduces, ts))
    assert [(f.client_id, f.ts, Fraction(f.quantity), Fraction(f.price), Fraction(f.fee)) for f in found] == [
        tuple(done) for done in other.done
    ]
    assert Fraction(ours_exchange.state.balances["USD"]) == other.cash
    assert Fraction(ours_exchange.state.positions.get("BTC/USD", Decimal(0))) == other.held
