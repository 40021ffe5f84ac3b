"""What can go wrong at an exchange, on purpose and with a seed: the books stay exact, and every run repeats itself."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import BTC, FUTURES, buy, leave, run_now
from tests.unit.bot.test_sim_exchange import FREE, order, submit, venue
from tests.unit.bot.test_ticks import OnTick, fills, tick

from tradingbot import terms
from tradingbot.backtest.driver import Driver
from tradingbot.backtest.record import Record
from tradingbot.config.model import Settings
from tradingbot.core.engine import Engine
from tradingbot.core.snapshot import EngineConfig, decode, encode
from tradingbot.domain.events import Closed, End, Fill, Liquidity
from tradingbot.domain.market import MINUTE, SECOND, Tick
from tradingbot.domain.money import mul, total
from tradingbot.domain.orders import OrderType, Side
from tradingbot.feeds.synthetic import SyntheticFeed
from tradingbot.ports.venue import Absent, Accepted, Found, Refused, Unavailable, Unknown
from tradingbot.risk.latch import Board
from tradingbot.risk.limits import Limits
from tradingbot.strategy import registry
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.faults import Fault, Faults
from tradingbot.venues.sim.rules import SimRules

ALWAYS = Decimal(1)


def faulty(**chances: Any) -> SimRules:
    return msgspec.structs.replace(FREE, faults=Faults(**chances))


# -- one by one --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "code"), [("reject", "SIMULATED_REJECT"), ("rate_limit", "RATE_LIMITED")])
def test_a_refused_order_does_not_exist(fault: str, code: str) -> None:
    exchange = venue(faulty(**{fault: ALWAYS}))
    outcome = submit(exchange, order(1))
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert isinstance(run_now(exchange.look_up("o1", "BTC/USD")), Absent)
    assert fills(exchange, tick(1, 1000)) == []


def test_an_order_without_an_answer_may_have_arrived_or_not() -> None:
    lost, accepted = venue(faulty(lost=ALWAYS)), venue(faulty(timeout=ALWAYS))
    assert isinstance(submit(lost, order(1)), Unknown)
    assert isinstance(submit(accepted, order(1)), Unknown)
    assert isinstance(run_now(lost.look_up("o1", "BTC/USD")), Absent)
    assert isinstance(run_now(accepted.look_up("o1", "BTC/USD")), Found)
    assert fills(lost, tick(1, 1000)) == []
    assert fills(accepted, tick(1, 1000)) == [("o1", "0.1", "1000")]


def test_a_fill_is_reported_twice_under_the_same_number() -> None:
    exchange = venue(faulty(duplicate_fill=ALWAYS))
    submit(exchange, order(1))
    first, second = exchange.match(tick(1, 1000))
    assert first == second
    assert exchange.state.balances["BTC"] == Decimal("0.1")


def test_a_late_fill_happened_when_it_happened() -> None:
    exchange = venue(faulty(late_fill=ALWAYS))
    submit(exchange, order(1))
    assert list(exchange.match(tick(1, 1000))) == []
    assert exchange.state.positions["BTC/USD"] == Decimal("0.1")
    assert list(exchange.match(tick(2.9, 1000))) == []
    again = venue(faulty(late_fill=ALWAYS))
    again.load(exchange.save())
    for one in (exchange, again):
        (fill,) = one.match(tick(3, 1000))
        assert isinstance(fill, Fill)
        assert fill.ts == SECOND
        assert list(one.match(tick(4, 1000))) == []


def test_an_empty_book_executes_nothing_for_a_minute() -> None:
    exchange = venue(faulty(empty_book=Decimal("0.5")))
    submit(exchange, order(1))
    filled_at = next(
        second for second in itertools.count(1) if fills(exchange, tick(second, 1000)) or second > 100 * 60
    )
    empty = [minute for minute in range(100) if exchange.rules.faults.empty("BTC/USD", minute * MINUTE)]
    assert 30 < len(empty) < 70
    assert filled_at // 60 not in empty
    assert all(minute in empty for minute in range(filled_at // 60))


def test_a_refused_cancel_leaves_the_order_where_it_was() -> None:
    exchange = venue(faulty(rate_limit=ALWAYS))
    exchange.rules = FREE
    submit(exchange, order(1))
    exchange.rules = faulty(rate_limit=ALWAYS)
    assert run_now(exchange.cancel("o1", "BTC/USD")) == Refused("RATE_LIMITED", "simulated: 429, too many requests")
    assert isinstance(run_now(exchange.look_up("o1", "BTC/USD")), Found)


# -- latency -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "expected"), [(1.5, "fill"), (2.0, "canceled")])
def test_until_a_cancel_arrives_the_order_can_execute(second: float, expected: str) -> None:
    exchange = venue(msgspec.structs.replace(FREE, cancel_latency=SECOND))
    submit(exchange, order(1, kind=OrderType.LIMIT, limit_price=Decimal(990)))
    exchange.advance(SECOND)
    for _ in range(2):
        assert run_now(exchange.cancel("o1", "BTC/USD")) == Unknown("the cancel is on its way")
    assert isinstance(run_now(exchange.look_up("o1", "BTC/USD")), Unavailable)
    (event,) = exchange.match(tick(second, 980))
    if expected == "fill":
        assert isinstance(event, Fill)
    else:
        assert isinstance(event, Closed)
        assert event.how is End.CANCELED
    assert exchange.state.orders == {}


def test_the_report_of_a_fill_takes_its_time() -> None:
    exchange = venue(msgspec.structs.replace(FREE, fill_latency=200_000))
    submit(exchange, order(1))
    assert list(exchange.match(tick(1, 1000))) == []
    (fill,) = exchange.match(tick(1.2, 1000))
    assert fill.ts == SECOND


# -- fees --------------------------------------------------------------------------------------------------------------


def test_who_waits_pays_the_makers_fee() -> None:
    rules = msgspec.structs.replace(FREE, commission=Decimal("0.001"), maker_commission=Decimal("0.0002"))
    exchange = venue(rules, FUTURES)
    submit(exchange, order(1))
    submit(exchange, order(2, Side.SELL, OrderType.LIMIT, limit_price=Decimal(1010)))
    (taker,) = exchange.match(tick(1, 1000))
    (maker,) = exchange.match(tick(2, 1011))
    assert isinstance(taker, Fill)
    assert isinstance(maker, Fill)
    assert (taker.liquidity, taker.fee) == (Liquidity.TAKER, mul(Decimal(100), Decimal("0.001")))
    assert (maker.liquidity, maker.fee) == (Liquidity.MAKER, mul(Decimal(101), Decimal("0.0002")))


@pytest.mark.parametrize(("quantity", "code"), [("0.005", None), ("0.0049", "MIN_NOTIONAL")])
def test_the_smallest_order_is_permitted_and_one_lot_less_is_not(quantity: str, code: str | None) -> None:
    outcome = submit(venue(), order(1, quantity=Decimal(quantity), limit_price=Decimal(1000)))
    assert (outcome.code if isinstance(outcome, Refused) else None) == code


# -- everything at once ------------------------------------------------------------------------------------------------

CHANCES = st.sampled_from([Decimal(0), Decimal("0.2"), Decimal("0.6")])
FAULTS = st.fixed_dictionaries({str(kind): CHANCES for kind in Fault})


class World:
    """Engine and venue, driven as a backtest drives them."""

    def __init__(self, rules: SimRules, script: dict[int, Any], saved: tuple[bytes, bytes, int] | None = None) -> None:
        limits = Limits(cost=rules.cost, commission=rules.commission, min_risk_reward_ratio=Decimal(0),
                        max_orders_per_minute=10_000)  # fmt: skip
        config = EngineConfig(
            bot="test/bot", epoch=1, symbols=("BTC/USD",), strategy="s", strategy_key="k", quote="USD",
            capital=Decimal(10_000), limits=limits, strategy_interval=0, equity_interval=MINUTE,
        )  # fmt: skip
        strategy = OnTick(script)
        self.venue = SimExchange(rules, {"BTC/USD": BTC}, {"USD": Decimal(10_000)})
        state = None
        if saved is not None:
            state, strategy.ticks = decode(saved[0]), saved[2]
            self.venue.load(saved[1])
        self.engine = Engine(config, Board(), {"BTC/USD": BTC}, lambda: strategy, state)
        self.record = Record(self.engine)
        self.driver = Driver(self.engine, self.venue, self.record.effect)
        if saved is None:
            self.driver.begin(self.engine.open_account(0))

    def save(self, shown: int) -> tuple[bytes, bytes, int]:
        return encode(self.engine.save()), self.venue.save(), shown


@settings(max_examples=100)
@given(
    chances=FAULTS,
    moves=st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 20_000)), min_size=6, max_size=60),
    wishes=st.dictionaries(st.integers(1, 60), st.sampled_from(["enter", "leave"]), max_size=30),
    cut=st.integers(1, 59),
)
def test_a_restart_between_any_two_ticks_changes_nothing(
    chances: dict[str, Any], moves: list[tuple[int, int]], wishes: dict[int, str], cut: int
) -> None:
    rules = SimRules(faults=Faults(**chances, seed=1), latency=700_000, fill_latency=400_000, depth=Decimal(700))
    price, ticks = 2000, []
    for number, (move, volume) in enumerate(moves, 1):
        price = max(1600, min(2400, price + move))
        ticks.append(Tick(number * SECOND + 1, "BTC/USD", price, volume))
    script: dict[int, Any] = {n: leave() if wish == "leave" else buy(900, 1100) for n, wish in wishes.items()}
    cut = min(cut, len(ticks))
    whole, first = World(rules, script), World(rules, script)
    for one in ticks:
        whole.driver.on_market(one)
    for one in ticks[:cut]:
        first.driver.on_market(one)
    second = World(rules, script, first.save(cut))
    for one in ticks[cut:]:
        second.driver.on_market(one)
    assert second.engine.equity == whole.engine.equity
    assert second.engine.state.book == whole.engine.state.book
    assert second.engine.state.guard == whole.engine.state.guard
    assert second.venue.state == whole.venue.state
    assert [*first.record.trades, *second.record.trades] == whole.record.trades


@settings(max_examples=150)
@given(
    chances=FAULTS,
    seed=st.integers(0, 5),
    moves=st.lists(st.tuples(st.integers(-30, 30), st.integers(0, 20_000)), min_size=5, max_size=80),
    wishes=st.dictionaries(st.integers(1, 80), st.sampled_from(["enter", "leave"]), max_size=30),
    latency=st.tuples(*(st.sampled_from([0, 700_000]) for _ in range(3))),
)
def test_whatever_goes_wrong_no_money_appears_or_vanishes(
    chances: dict[str, Any],
    seed: int,
    moves: list[tuple[int, int]],
    wishes: dict[int, str],
    latency: tuple[int, int, int],
) -> None:
    rules = SimRules(
        faults=Faults(**chances, seed=seed), latency=latency[0], cancel_latency=latency[1], fill_latency=latency[2],
        latency_jitter=0, seed=seed, depth=Decimal(700), maker_commission=Decimal("0.0005"),
    )  # fmt: skip
    price, ticks = 2000, []
    for number, (move, volume) in enumerate(moves, 1):
        price = max(1600, min(2400, price + move))
        ticks.append(Tick(number * SECOND + 1, "BTC/USD", price, volume))
    wanted = {number: wish for number, wish in wishes.items() if number <= len(moves)}
    script: dict[int, Any] = {n: leave() if wish == "leave" else buy(700, 1300) for n, wish in wanted.items()}
    world = World(rules, script)
    for one in ticks:
        world.driver.on_market(one)
    # Reports that are still on their way arrive, and the book is full again.
    world.venue.rules = msgspec.structs.replace(rules, faults=Faults())
    for extra in range(1, 4):
        world.driver.on_market(Tick((len(moves) + extra * 10) * SECOND + 1, "BTC/USD", price, 10_000))
    book, state = world.engine.state.book, world.venue.state
    fills = world.record.trades
    for asset in ("USD", "BTC"):
        assert total(assets.get(asset, Decimal(0)) for assets in book.balances.values()) == 0
        assert book.cash(asset) == state.balances.get(asset, Decimal(0))
    bought = total(mul(fill.quantity, Decimal(fill.side.sign)) for fill in fills)
    spent = total(mul(mul(fill.quantity, fill.price), Decimal(fill.side.sign)) for fill in fills)
    fees = total(fill.fee for fill in fills)
    assert book.fees("USD") == fees
    assert book.cash("USD") == Decimal(10_000) - spent - fees
    assert book.cash("BTC") == bought == state.positions.get("BTC/USD", Decimal(0))
    assert book.balance("held", "USD") == total(order.held for order in world.engine.desk.live())
    assert {order.intent.client_id for order in world.engine.desk.live()} == set(state.orders)
    assert world.engine.equity == book.cash("USD") + bought * BTC.price(price)


def faulty_run(seed: int) -> str:
    """A day of synthetic ticks with everything going wrong at times; the ledger as a hash."""
    configuration = {
        "strategy": {"name": "moving-average-cross", "parameters": {"fast": 5, "slow": 20, "min_stop": 0.004}},
        "simulation": {
            "seed": seed,
            "feed": {"resolution": "Ticks"},
            "depth": 900,
            "cancel_latency_milliseconds": 300,
            "fill_latency_milliseconds": 200,
            "faults": dict.fromkeys(Fault, 0.1),
        },
    }
    wanted = Settings.model_validate(configuration)
    feed = terms.feed(wanted, frozenset({"BTC/USD"}))
    assert isinstance(feed, SyntheticFeed)
    maker = registry.factory(wanted.strategy.name, wanted.strategy.parameters)
    engine = Engine(terms.engine_config(wanted, 1), Board(), feed.instruments, maker)
    exchange = SimExchange(terms.rules(wanted), feed.instruments, {"USD": wanted.simulation.initial_capital})
    record = Record(engine)
    driver = Driver(engine, exchange, record.effect)
    driver.begin(engine.open_account(0))
    for event in itertools.islice(feed.stream("BTC/USD", 0), 9_000):
        driver.on_market(event)
    return f"{record.ledger.hexdigest()} {len(record.trades)} {len(record.alarms)} {engine.equity}"


def test_the_same_seed_meets_the_same_faults_whatever_the_hash_seed_of_the_process() -> None:
    command = [sys.executable, "-c", "from tests.unit.bot.test_faults import faulty_run; print(faulty_run(3))"]
    found = {
        subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("0", "1", "4242")
    }
    (line,) = found
    assert int(line.split()[1]) > 10
    assert faulty_run(4) + "\n" != line


def test_faults_are_configured_with_the_name_of_what_is_wrong() -> None:
    from tradingbot.config.model import FaultsSection

    assert {str(kind) for kind in Fault} == set(FaultsSection.model_fields) - {"late_seconds"}
    wanted = Settings.model_validate(
        {"strategy": {"name": "x"}, "simulation": {"faults": {"late_fill": 0.5, "late_seconds": 7}, "seed": 9}}
    )
    assert terms.rules(wanted).faults == Faults(late_fill=Decimal("0.5"), late_by=7 * SECOND, seed=9)
    with pytest.raises(ValueError, match="less than or equal to 1"):
        Settings.model_validate({"strategy": {"name": "x"}, "simulation": {"faults": {"reject": 2}}})


def test_an_accepted_order_is_accepted() -> None:
    assert isinstance(submit(venue(faulty(reject=Decimal(0))), order(1)), Accepted)
