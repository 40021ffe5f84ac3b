"""What differs from the exchange: booked where it is ours or plain, halted where nobody can tell, with a way out."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.crash import world as crash
from tests.component.bot.crash.exchange import BTC, Exchange, Placed
from tests.component.bot.crash.world import Database, Points, Process
from tests.unit.bot.harness import buy, leave

from tradingbot.domain.events import Fill, Liquidity
from tradingbot.domain.orders import Intent, OrderType, Role, Side
from tradingbot.domain.states import State
from tradingbot.ports import venue as answers
from tradingbot.ports.store import UnavailableError
from tradingbot.runtime.commands import Commands

if TYPE_CHECKING:
    from tradingbot.risk.latch import Restriction


class Life:
    """A bot with an account at an exchange where nothing happens unless a test makes it happen."""

    def __init__(self) -> None:
        self.exchange, self.database = Exchange(), Database()
        self.process = Process(self.database, self.exchange, Points())
        self.time = 0

    async def begin(self) -> Life:
        await self.process.begin()
        await self.go_on(1)
        return self

    async def go_on(self, ticks: int, price: int = 100) -> None:
        for _ in range(ticks):
            self.time += 1
            self.exchange.tick(Decimal(price))
            await self.process.tick(self.time)

    async def restart(self) -> None:
        self.process = Process(self.database, self.exchange, Points())
        await self.process.begin()

    @property
    def restrictions(self) -> list[Restriction]:
        return self.process.control.board.restrictions()

    @property
    def reasons(self) -> str:
        return "; ".join(f"{entry.source}: {entry.reason}" for entry in self.restrictions)

    @property
    def state(self) -> State:
        return self.process.control.board.state

    def ledger(self, asset: str) -> Decimal:
        return self.process.engine.state.book.cash(asset)


@pytest.fixture
async def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    monkeypatch.setattr(crash, "SCRIPT", {})
    monkeypatch.setattr(crash, "STOP_TICK", 10**9)
    return await Life().begin()


async def test_the_account_is_opened_with_what_is_there(life: Life) -> None:
    assert life.state is State.ACTIVE
    assert (life.ledger("USD"), life.ledger("BTC")) == (Decimal(10_000), Decimal(1))
    assert life.process.engine.equity == 10_000, "what was there before is no position of this bot"


async def test_an_account_without_money_waits_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "SCRIPT", {})
    life = Life()
    life.exchange.total["USD"] = Decimal(0)
    await life.begin()
    await life.go_on(3)
    assert "holds no USD" in life.reasons
    assert life.process.engine.state.guard is None
    life.exchange.total["USD"] = Decimal(700)
    await life.go_on(3)
    assert life.reasons == ""
    assert life.process.engine.equity == 700


async def test_a_deposit_is_booked_as_capital_and_is_no_profit(life: Life) -> None:
    life.exchange.total["USD"] += 500
    await life.go_on(15)
    assert life.state is State.ACTIVE
    assert life.ledger("USD") == 10_500
    guard = life.process.engine.state.guard
    assert guard is not None
    assert guard.peak == guard.day_start == life.process.engine.equity == 10_500


async def test_money_that_is_gone_halts_with_the_amount_and_comes_back_by_itself(life: Life) -> None:
    life.exchange.total["USD"] -= 300
    await life.go_on(12)
    assert life.reasons == "reconcile: USD: the venue has 300 less than the ledger"
    life.exchange.total["USD"] += 300
    await life.go_on(6)
    assert life.state is State.ACTIVE
    assert life.ledger("USD") == 10_000


async def test_what_stays_away_is_latched_under_a_name_and_a_resume_books_it_as_taken_out(life: Life) -> None:
    life.exchange.total["USD"] -= 300
    await life.go_on(40)
    latched = [entry for entry in life.restrictions if entry.latched]
    assert [entry.source for entry in latched] == ["balances"]
    assert life.ledger("USD") == 10_000, "nobody has said yet what it was"
    assert [row.id for row in life.database.rows] == ["balances-1"]
    commands = Commands(life.process.control, live=True, alone=True)
    resuming = asyncio.create_task(commands.resume("balances-1", "I took it out"))
    for _ in range(10):
        await asyncio.sleep(0)
    await life.go_on(2)
    await resuming
    assert life.state is State.ACTIVE
    assert life.ledger("USD") == 9_700
    assert life.process.engine.equity == 9_700
    await life.restart()
    await life.go_on(30)
    assert life.state is State.ACTIVE


async def test_a_trade_of_somebody_else_halts_and_is_named(life: Life) -> None:
    """One asset for another is no deposit: it may be an order of ours that was forgotten."""
    life.exchange.total["USD"] -= 100
    life.exchange.total["BTC"] += 1
    told = Fill(life.exchange.ts, "web-123", "T.9", Decimal(1), Decimal(100), Decimal(0), Liquidity.TAKER)
    life.exchange.fills.append((0, told))
    await life.go_on(12)
    assert "BTC: the venue has 1 more than the ledger" in life.reasons
    assert "USD: the venue has 100 less than the ledger" in life.reasons
    assert "order web-123 is not ours" in life.reasons
    assert life.state is State.HALTED


async def test_an_open_order_that_is_not_ours_halts_until_it_is_gone(life: Life) -> None:
    foreign = Intent("web-1", "x", 1, 1, BTC.symbol, Side.BUY, OrderType.STOP, Role.ENTRY, Decimal(1), "", "", 0)
    life.exchange.orders["web-1"] = Placed(foreign, Decimal(1), 0)
    await life.go_on(12)
    assert life.reasons == "reconcile: order web-1 at the venue is not ours"
    life.exchange.orders["web-1"].open = False
    await life.go_on(6)
    assert life.state is State.ACTIVE


async def test_an_exchange_that_is_silent_blocks_entries_until_it_answers(life: Life) -> None:
    report = life.process.venue.report

    async def silent(since: int) -> Any:
        del since
        raise TimeoutError("nobody there")

    life.process.venue.report = silent  # type: ignore[method-assign]
    await life.go_on(5)
    assert life.state is State.ACTIVE, "one silence is a hiccup"
    await life.go_on(20)
    assert "exchange: the venue does not answer" in life.reasons
    life.process.venue.report = report  # type: ignore[method-assign]
    await life.go_on(3)
    assert life.reasons == ""


async def test_entries_wait_while_the_fate_of_an_order_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "SCRIPT", {3: buy(90, 140)})
    life = await Life().begin()

    async def unanswered(approved: Any) -> Any:
        raise TimeoutError

    async def unavailable(client_id: str, symbol: str, *, urgent: bool = False) -> Any:
        return answers.Unavailable("no answer")

    look_up = life.process.venue.look_up
    life.process.venue.submit = unanswered  # type: ignore[method-assign]
    life.process.venue.look_up = unavailable  # type: ignore[method-assign]
    await life.go_on(12)
    assert "has not said yet what became of tb" in life.reasons
    life.process.venue.look_up = look_up  # type: ignore[method-assign]
    await life.go_on(12)
    assert life.reasons == ""
    assert life.exchange.sends == {}, "asked for again and again, sent never again"
    assert life.ledger("USD") == 10_000


async def test_a_restart_after_a_deposit_knows_it_once(life: Life) -> None:
    life.exchange.total["USD"] += 500
    await life.restart()
    await life.go_on(12)
    await life.restart()
    await life.go_on(12)
    assert life.ledger("USD") == 10_500
    assert life.reasons == ""


@pytest.mark.parametrize("said", [True, False], ids=["the cancel says it", "only a question says it"])
async def test_a_stop_that_was_faster_than_its_cancel_is_booked_and_nothing_is_sold_a_second_time(
    monkeypatch: pytest.MonkeyPatch, said: bool
) -> None:
    """The strategy wants out; while the cancel is on its way, the stop executes. The coin of somebody else stays."""
    monkeypatch.setattr(crash, "SCRIPT", {3: buy(90, 140), 13: leave()})
    monkeypatch.setattr(crash, "STOP_TICK", 10**9)
    monkeypatch.setattr(Exchange, "_free_base", lambda exchange: exchange.total["BTC"])
    life = await Life().begin()
    cancel = life.process.venue.cancel

    async def too_late(client_id: str, symbol: str) -> Any:
        life.exchange.price = Decimal(80)
        for placed in life.exchange.orders.values():
            if placed.open:
                life.exchange._work(placed)
        done = await cancel(client_id, symbol)
        return done if said else answers.Accepted(f"v-{client_id}", 0)

    life.process.venue.cancel = too_late  # type: ignore[method-assign]
    await life.go_on(20)
    sold = {placed.intent.role for placed in life.exchange.orders.values() if placed.intent.side is Side.SELL}
    assert sold == {Role.STOP}
    assert life.process.engine.state.book.position(BTC.symbol) is None
    assert life.ledger("BTC") == life.exchange.total["BTC"] >= 1
    assert life.reasons == ""


async def test_while_the_database_is_away_a_stop_that_closes_leaves_the_protection_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A position must not lose its stop and then wait for a sale that cannot be written down."""
    monkeypatch.setattr(crash, "SCRIPT", {3: buy(90, 140)})
    monkeypatch.setattr(crash, "STOP_TICK", 10**9)
    life = await Life().begin()
    await life.go_on(12)
    stops = [placed for placed in life.exchange.orders.values() if placed.intent.role is Role.STOP]
    assert stops
    assert all(placed.open for placed in stops)
    commit = life.process.store.commit

    async def away(batch: Any, epoch: int) -> None:
        raise UnavailableError("nobody there")

    life.process.store.commit = away  # type: ignore[method-assign]
    life.process.control.emergency_stop("api-1", "api", "now", close_positions=True)
    flushing = asyncio.create_task(life.process.runner.flush())
    await life.process.runner.cancels.now()
    for _ in range(50):
        await asyncio.sleep(0)
    assert life.process.runner.lost
    assert all(placed.open for placed in stops), "still protected"
    life.process.store.commit = commit  # type: ignore[method-assign]
    life.process.runner.keeper.renew = commit_nothing  # type: ignore[method-assign]
    await flushing
    await life.go_on(15)
    assert life.process.engine.state.book.position(BTC.symbol) is None
    assert not any(placed.open for placed in life.exchange.orders.values())


async def commit_nothing() -> None:
    """The lease is prolonged."""
