"""What people ask of a running engine passes the same gate, the same records, and survives the same restarts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.bot.harness import CAPITAL, Bot, Scripted, buy, candle, config, flat

from tradingbot.core import commands
from tradingbot.core.snapshot import encode
from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.errors import BrokenInvariantError
from tradingbot.domain.orders import Role
from tradingbot.domain.states import State
from tradingbot.risk.limits import CHANGEABLE, Limits, OnBreach, changed, loosened, tightest


def bot(script: dict[int, Any] | None = None, **arguments: Any) -> Bot:
    return Bot(lambda: Scripted(script or {}), **arguments)


def trade(**changes: Any) -> events.ManualTrade:
    values: dict[str, Any] = {
        "ts": 0,
        "symbol": "BTC/USD",
        "side": "buy",
        "stop_loss": Decimal(990),
        "take_profit": Decimal(1040),
        "quantity": None,
        "price": None,
        "reason": "I want to",
    }
    return events.ManualTrade(**{**values, **changes})


def test_a_manual_trade_takes_the_way_of_every_other() -> None:
    robot = bot().show(flat(0, 1000.0))
    robot.step(trade())
    robot.show(flat(1, 1000.0))
    (made,) = robot.decisions
    assert (made.approved, made.strategy, made.reason, made.seq) == (True, "manual", "I want to", 1)
    position = robot.engine.state.book.position("BTC/USD")
    assert position is not None
    assert (position.strategy, position.stop_loss) == ("manual", Decimal(990))
    assert [order.intent.role.value for order in robot.engine.desk.live()] == ["stop", "target"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "ETH/USD"}, "UNKNOWN_SYMBOL"),
        ({"stop_loss": Decimal(1010)}, "STOP_ON_WRONG_SIDE"),
        ({"take_profit": Decimal(1010)}, "RISK_REWARD_TOO_LOW"),
        ({"quantity": Decimal(100)}, "RISK_PER_TRADE"),
        ({"price": Decimal(2000)}, "PRICE_COLLAR"),
        ({"side": "sell"}, "SHORT_NOT_POSSIBLE"),
    ],
)
def test_a_manual_trade_beyond_a_limit_is_denied_and_recorded(changes: dict[str, Any], code: str) -> None:
    robot = bot().show(flat(0, 1000.0))
    robot.step(trade(**changes))
    assert [made.code for made in robot.decisions] == [code]
    assert robot.of(fx.Submit) == []
    assert robot.engine.state.intents == 0


def test_before_the_first_price_a_manual_trade_is_denied() -> None:
    robot = bot()
    robot.step(trade())
    assert [made.code for made in robot.decisions] == ["DATA_STALE"]


def test_a_persons_own_size_and_worst_price_go_into_the_order() -> None:
    robot = bot().show(flat(0, 1000.0))
    robot.step(trade(quantity=Decimal("0.25"), price=Decimal(1001)))
    (submit,) = robot.of(fx.Submit)
    assert (submit.approved.item.quantity, submit.approved.item.limit_price) == (Decimal("0.25"), Decimal(1001))


def test_a_persons_prices_are_moved_to_the_tick_and_never_away_from_it() -> None:
    robot = bot().show(flat(0, 1000.0))
    digits = Decimal("0.3") + Decimal("1e-30")
    robot.step(trade(stop_loss=990 + digits, take_profit=1040 + digits, price=1001 + digits))
    (submit,) = robot.of(fx.Submit)
    intent = submit.approved.item
    assert (intent.stop_loss, intent.take_profit) == (Decimal("990.5"), Decimal("1040.5"))
    assert intent.limit_price == Decimal(1001)


@pytest.mark.parametrize("state", [State.PAUSED, State.HALTED, State.KILLED])
def test_no_state_but_active_lets_a_person_open_anything(state: State) -> None:
    robot = bot().show(flat(0, 1000.0))
    robot.step(events.Hold(0, "test", state, "because"))
    robot.step(trade())
    assert [made.code for made in robot.decisions] == ["STATE_BLOCKS_ENTRIES"]


@pytest.mark.parametrize("state", list(State))
def test_a_person_closes_a_position_in_every_state(state: State) -> None:
    robot = bot({1: buy(990, 1040)}).show(flat(0, 1000.0), flat(1, 1000.0))
    robot.step(events.Hold(0, "test", state, "because"))
    robot.step(events.ClosePosition(0, "BTC/USD", "enough"))
    robot.step(events.ClosePosition(0, "BTC/USD", "twice"))
    robot.show(flat(2, 1000.0))
    assert robot.engine.state.book.position("BTC/USD") is None
    assert [made.code for made in robot.decisions] == ["", "", "NO_POSITION"]
    assert robot.engine.desk.live() == []


# -- limits ------------------------------------------------------------------------------------------------------------


def test_a_changed_limit_counts_at_once_and_after_a_restart() -> None:
    robot = bot().show(flat(0, 1000.0))
    robot.step(events.ChangeLimits(0, (("max_order_value", "4"),), "smaller"))
    robot.step(trade())
    assert [made.code for made in robot.decisions] == ["ORDER_TOO_SMALL"]
    again = bot(saved=robot.save())
    assert again.engine.config.limits.max_order_value == Decimal(4)


def test_after_a_restart_the_tighter_of_file_and_change_counts() -> None:
    robot = bot()
    changes = (("max_drawdown", "0.5"), ("daily_loss_limit", "0.01"), ("max_open_positions", "2"))
    robot.step(events.ChangeLimits(0, changes, "other"))
    assert robot.engine.config.limits.max_drawdown == Decimal("0.5")
    limits = bot(saved=robot.save()).engine.config.limits
    assert (limits.max_drawdown, limits.daily_loss_limit) == (Decimal("0.15"), Decimal("0.01"))
    assert limits.max_open_positions == 2


def test_a_bot_that_was_told_to_ask_and_to_be_sure_does_so_after_a_restart() -> None:
    robot = bot()
    robot.step(events.ChangeLimits(0, (("autonomous", "false"), ("min_confidence", "0.7")), "with me"))
    before, limits = bot().engine.config.limits, bot(saved=robot.save()).engine.config.limits
    assert (limits.autonomous, limits.min_confidence) == (False, Decimal("0.7"))
    assert loosened(limits, before) == ["min_confidence", "autonomous"]
    assert loosened(before, limits) == []


def test_a_change_is_taken_back_with_nothing_in_its_place() -> None:
    robot = bot()
    robot.step(events.ChangeLimits(0, (("max_drawdown", "0.05"),), "tighter"))
    robot.step(events.ChangeLimits(0, (("max_drawdown", None),), "as it was"))
    assert robot.engine.config.limits == bot().engine.config.limits
    assert robot.engine.state.limits == {}


def test_a_new_approval_ends_the_changes_from_before_it() -> None:
    approved, anew = config(approval="one"), config(approval="two")
    robot = bot(settings=approved)
    robot.step(events.ChangeLimits(0, (("max_drawdown", "0.05"),), "careful"))
    same = bot(settings=approved, saved=robot.save())
    assert same.engine.config.limits.max_drawdown == Decimal("0.05")
    after = bot(settings=anew, saved=same.save())
    assert after.engine.config.limits == anew.limits
    assert bot(settings=approved, saved=after.save()).engine.config.limits == approved.limits


def test_a_limit_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="there is no limit leverage"):
        changed(Limits(), {"leverage": "10"}, Limits())


def numbers(name: str) -> st.SearchStrategy[Any]:
    if name == "on_breach":
        return st.sampled_from(OnBreach)
    if name in ("max_open_positions", "max_orders_per_minute"):
        return st.integers(1, 50)
    if name == "autonomous":
        return st.booleans()
    found = st.decimals("0.001", 1, places=3)
    optional = ("max_order_value", "max_stop_distance", "max_target_distance", "min_confidence")
    return st.none() | found if name in optional else found


limits_strategy = st.fixed_dictionaries({name: numbers(name) for name in CHANGEABLE}).map(lambda v: Limits(**v))


@given(limits_strategy, limits_strategy)
def test_the_tightest_of_two_permits_nothing_that_one_of_them_forbids(one: Limits, other: Limits) -> None:
    both = tightest(one, other)
    assert loosened(one, both) == loosened(other, both) == []
    assert tightest(other, one) == both
    for name in CHANGEABLE:
        assert getattr(both, name) in (getattr(one, name), getattr(other, name))


@given(limits_strategy, limits_strategy)
def test_what_loosens_one_way_does_not_loosen_the_other(one: Limits, other: Limits) -> None:
    assert set(loosened(one, other)).isdisjoint(loosened(other, one))
    differing = {name for name in CHANGEABLE if getattr(one, name) != getattr(other, name)}
    assert set(loosened(one, other)) | set(loosened(other, one)) == differing


# -- a new account -----------------------------------------------------------------------------------------------------


def traded() -> Bot:
    robot = bot({1: buy(990, 1040)})
    robot.show(flat(0, 1000.0), flat(1, 1000.0), candle(2, (1000, 1000, 980, 980)), flat(3, 980.0))
    assert robot.engine.state.book.open_positions() == []
    return robot


def test_a_new_account_begins_with_its_capital_and_keeps_the_past() -> None:
    robot = traded()
    intents, decisions, fills = robot.engine.state.intents, robot.engine.state.decisions, len(robot.trades)
    robot.step(events.ResetAccount(0, Decimal(5000), "again"))
    state = robot.engine.state
    assert (robot.engine.equity, state.book.cash("USD"), state.book.fees("USD")) == (
        Decimal(5000),
        Decimal(5000),
        Decimal(0),
    )
    assert state.guard is not None
    assert (state.guard.peak, state.guard.day_start) == (Decimal(5000), Decimal(5000))
    assert (state.intents, state.decisions, len(robot.trades)) == (intents, decisions, fills)
    assert (state.tally.trips, state.tally.fills) == (0, 0)
    for account, assets in state.book.balances.items():
        expected = {"available": Decimal(5000), "capital": Decimal(-5000)}.get(account, Decimal(0))
        assert assets.get("USD", Decimal(0)) == expected
    posted: dict[tuple[str, str], Decimal] = {}
    for post in robot.of(fx.Post):
        for leg in post.postings:
            key = (leg.account, leg.asset)
            posted[key] = posted.get(key, Decimal(0)) + leg.amount
    assert {key: value for key, value in posted.items() if value} == {
        ("available", "USD"): Decimal(5000), ("capital", "USD"): Decimal(-5000),
    }  # fmt: skip


def test_no_new_account_while_something_is_open() -> None:
    robot = bot({1: buy(990, 1040)}).show(flat(0, 1000.0), flat(1, 1000.0))
    with pytest.raises(BrokenInvariantError):
        robot.step(events.ResetAccount(0, CAPITAL, "now"))


# -- whatever people do ------------------------------------------------------------------------------------------------

PRICES = st.integers(-80, 80)
ACTIONS = st.one_of(
    st.tuples(st.just("candle"), PRICES, st.sampled_from([3.0, 40.0, 10_000.0])),
    st.tuples(st.just("buy"), st.integers(1, 60), st.sampled_from([None, "0.001", "0.5", "5", "0.00001", "1e9"])),
    st.tuples(st.just("close"), st.just(0), st.none()),
    st.tuples(st.just("hold"), st.sampled_from(list(State)), st.none()),
    st.tuples(st.just("limit"), st.sampled_from(["0.001", "0.01", "0.2", None]), st.none()),
    st.tuples(st.just("stop"), st.booleans(), st.none()),
    st.tuples(st.just("reset"), st.just(0), st.none()),
    st.tuples(st.just("restart"), st.just(0), st.none()),
)


class People:
    """Does to a bot what people do, in any order, and looks at what must hold after each step."""

    def __init__(self) -> None:
        self.robot = bot().show(flat(0, 1000.0))
        self.minute, self.price = 1, 1000.0

    def act(self, action: tuple[str, Any, Any]) -> None:
        kind, value, more = action
        robot, entries = self.robot, self._entries()
        state = robot.engine.board.state
        getattr(self, kind)(value, more)
        if not state.entries_allowed and kind not in ("hold", "restart"):
            assert self._entries() <= entries, "an entry was made in a state that blocks it"
        self.look()

    def _entries(self) -> set[str]:
        found = self.robot.of(fx.Submit)
        return {one.approved.item.client_id for one in found if one.approved.item.role is Role.ENTRY}

    def candle(self, change: int, volume: float) -> None:
        opened, self.price = self.price, max(100.0, self.price + change / 2)
        high, low = max(opened, self.price) + 5, min(opened, self.price) - 5
        self.robot.show(candle(self.minute, (opened, high, low, self.price), volume))
        self.minute += 1

    def buy(self, distance: int, size: str | None) -> None:
        last = Decimal(str(self.price))
        stop, target = last - distance, last + 4 * distance + 20
        self.robot.step(trade(stop_loss=stop, take_profit=target, quantity=size and Decimal(size)))

    def close(self, *_: Any) -> None:
        self.robot.step(events.ClosePosition(0, "BTC/USD", "enough"))

    def hold(self, state: State, _: Any) -> None:
        self.robot.step(events.Hold(0, "people", state, "because"))

    def limit(self, value: str | None, _: Any) -> None:
        self.robot.step(events.ChangeLimits(0, (("max_position_size", value),), "because"))

    def stop(self, close_positions: bool, _: Any) -> None:
        self.robot.step(events.EmergencyStop(0, "s-1", "api", "because", close_positions))
        self.robot.step(events.Resumed(0, "emergency_stop"))

    def reset(self, *_: Any) -> None:
        engine = self.robot.engine
        if engine.board.state.entries_allowed or engine.state.book.open_positions() or engine.desk.live():
            return
        self.robot.step(events.ResetAccount(0, CAPITAL, "again"))
        self.robot.venue.restart({"USD": CAPITAL})
        assert engine.equity == CAPITAL

    def restart(self, *_: Any) -> None:
        before = self.robot.engine
        limits = dict(before.state.limits)
        self.robot = bot(saved=self.robot.save())
        assert self.robot.engine.equity == before.equity
        assert self.robot.engine.state.limits == limits
        assert loosened(self.robot.engine.base_limits, self.robot.engine.config.limits) == []

    def look(self) -> None:
        state, venue = self.robot.engine.state, self.robot.venue.state
        for asset in ("USD", "BTC"):
            assert sum((held.get(asset, Decimal(0)) for held in state.book.balances.values()), Decimal(0)) == 0
            assert state.book.cash(asset) == venue.balances.get(asset, Decimal(0))
        position = state.book.position("BTC/USD")
        live = self.robot.engine.desk.live()
        assert {order.intent.client_id for order in live} == set(venue.orders)
        if position is not None:
            assert any(order.intent.role in (Role.STOP, Role.EXIT, Role.FLATTEN) for order in live)
        assert sum(order.intent.role is Role.ENTRY for order in live) <= 1
        assert [made.seq for made in self.robot.decisions] == sorted({made.seq for made in self.robot.decisions})


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, min_size=5, max_size=60))
@example([("candle", 0, 3.0), ("buy", 1, None), ("candle", 0, 3.0), ("close", 0, None), ("candle", 0, 40.0)])
def test_whatever_people_do_the_books_agree_and_nothing_is_open_without_a_stop(
    actions: list[tuple[str, Any, Any]],
) -> None:
    people = People()
    for action in actions:
        people.act(action)


# -- what was made -----------------------------------------------------------------------------------------------------


def test_the_tally_agrees_with_the_account() -> None:
    robot = traded()
    tally = robot.engine.state.tally
    assert (tally.trips, tally.won, tally.lost, tally.fills) == (1, 0, 1, len(robot.trades))
    assert robot.engine.equity - CAPITAL == tally.gross_profit - tally.gross_loss
    assert tally.fees == robot.engine.state.book.fees("USD")
    assert tally.open == {}


# -- what would be decided ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.ACTIVE, State.PAUSED])
def test_asking_for_a_decision_changes_nothing(state: State) -> None:
    robot = bot({1: buy(990, 1040)}).show(flat(0, 1000.0))
    robot.step(events.Hold(0, "test", state, "because"))
    before, count = encode(robot.engine.save()), len(robot.effects)
    (made,) = commands.preview(robot.engine, "BTC/USD")
    # The script proposes at the first candle that a strategy sees, and the copy sees its first.
    assert made.code == ("POSITION_EXISTS" if state is State.ACTIVE else "STATE_BLOCKS_ENTRIES")
    assert msgspec.json.decode(encode(robot.engine.save())) == msgspec.json.decode(before)
    assert len(robot.effects) == count
