"""What every store promises. Run against each of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import pytest
from tests.unit.bot.harness import Bot, Scripted, buy, flat

from tradingbot.domain import effects as fx
from tradingbot.domain.fills import EquityPoint
from tradingbot.domain.notes import Kind, Note
from tradingbot.domain.states import State
from tradingbot.ports.store import Batch, Clearing, FencedError, LatchRow, Store, StoreError

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class World(Protocol):
    """Where the stores of one test are."""

    def __call__(self, bot: str = "test/bot", mode: str = "simulation") -> Store:
        """Make a store, as another process would."""

    async def expire(self) -> None:
        """Let the leases of the simulation be over."""

    async def close(self) -> None:
        """Close all stores."""


def batch(seq: int, robot: Bot | None = None, **changes: Any) -> Batch:
    """Make a batch, of everything that a bot did if one is given."""
    values: dict[str, Any] = {"seq": seq, "market_ts": seq, "cursor": {"BTC/USD": seq}, "engine": b"e", "venue": b"v"}
    if robot is not None:
        state = robot.engine.state
        values |= {
            "intents": [effect.approved.item for effect in robot.of(fx.Submit)],
            "orders": dict(state.orders),
            "trades": robot.trades,
            "positions": dict(state.book.positions),
            "posts": robot.of(fx.Post),
            "decisions": robot.decisions,
            "equity": [effect.point for effect in robot.of(fx.Marked)],
        }
    return Batch(**{**values, **changes})


def traded() -> Bot:
    return Bot(lambda: Scripted({1: buy(990, 1040)})).show(flat(0, 1000.0), flat(1, 1000.0))


def latch(**changes: Any) -> LatchRow:
    values: dict[str, Any] = {
        "source": "emergency_stop",
        "state": State.KILLED,
        "reason": "fire",
        "since": NOW,
        "stop_id": "1f0c2a9b-7",
        "origin": "spec",
    }
    return LatchRow(**{**values, **changes})


def note(key: str) -> Note:
    return Note(key=key, kind=Kind.ALARM, title=f"title {key}", text="text")


class StoreContract:
    """Subclasses give the fixture `world`."""

    async def test_what_is_committed_is_read_back_to_the_digit(self, world: World) -> None:
        one, robot = world(), traded()
        assert await one.load() is None
        lease = await one.acquire("a")
        assert lease is not None
        await one.commit(batch(1, robot), lease.epoch)
        loaded = await one.load()
        assert loaded is not None
        state = robot.engine.state
        assert loaded.balances == state.book.balances
        assert loaded.positions == {"BTC/USD": state.book.positions["BTC/USD"].quantity}
        assert loaded.open_orders == {o.intent.client_id: o.state.value for o in robot.engine.desk.live()}
        assert (loaded.seq, loaded.cursor, loaded.engine, loaded.venue) == (1, {"BTC/USD": 1}, b"e", b"v")
        (trade,) = await one.rows("trades", 10)
        assert trade["price"] == robot.trades[0].price
        assert trade["fee"] == robot.trades[0].fee
        assert len(await one.rows("orders", 10)) == 3
        (decision,) = await one.rows("decisions", 10)
        assert decision["approved"]

    async def test_the_same_batch_twice_is_written_once(self, world: World) -> None:
        one, robot = world(), traded()
        lease = await one.acquire("a")
        assert lease is not None
        for _ in range(3):
            await one.commit(batch(1, robot), lease.epoch)
        assert len(await one.rows("trades", 10)) == 1
        await one.commit(batch(2), lease.epoch)
        await one.commit(batch(2), lease.epoch)

    async def test_a_history_with_a_gap_is_refused(self, world: World) -> None:
        one = world()
        lease = await one.acquire("a")
        assert lease is not None
        await one.commit(batch(1), lease.epoch)
        for seq in (3, 7):
            with pytest.raises(StoreError, match="the history has a gap"):
                await one.commit(batch(seq), lease.epoch)
        loaded = await one.load()
        assert loaded is not None
        assert loaded.seq == 1

    async def test_the_intent_of_the_one_that_was_fenced_is_refused_in_the_transaction(self, world: World) -> None:
        old, new = world(), world()
        first = await old.acquire("a")
        assert first is not None
        await old.commit(batch(1), first.epoch)
        assert await new.acquire("b") is None
        assert await new.holder() == "a"
        await old.release("a", first.epoch)
        assert await new.holder() == ""
        second = await new.acquire("b")
        assert second is not None
        assert second.epoch == first.epoch + 1
        robot = traded()
        with pytest.raises(FencedError):
            await old.commit(batch(2, robot), first.epoch)
        with pytest.raises(FencedError):
            await old.commit(batch(2), first.epoch)
        with pytest.raises(FencedError):
            await old.renew("a", first.epoch)
        assert await new.rows("trades", 10) == []
        assert await new.rows("orders", 10) == []
        await new.commit(batch(2, robot), second.epoch)
        assert len(await new.rows("trades", 10)) == 1
        await old.release("a", first.epoch)
        await new.renew("b", second.epoch)

    async def test_an_expired_lease_goes_to_whoever_asks_first(self, world: World) -> None:
        stores = [world() for _ in range(5)]
        first = await stores[0].acquire("first")
        assert first is not None
        await world.expire()
        won = await asyncio.gather(*(one.acquire(f"pod{n}") for n, one in enumerate(stores)))
        assert [lease.epoch for lease in won if lease is not None] == [first.epoch + 1]

    async def test_the_first_latch_stays_and_only_its_outcome_is_brought_up_to_date(self, world: World) -> None:
        one = world()
        await one.write_latch(latch())
        await one.write_latch(latch(stop_id="later-9", reason="other", outcome={"state": "CANCELLED"}))
        await one.write_latch(latch(close_positions=True))
        assert await one.latches() == [latch(close_positions=True, outcome={"state": "CANCELLED"}, number=1)]
        await one.write_latch(latch(source="drawdown", state=State.HALTED, stop_id="", origin=""))
        assert [row.source for row in await one.latches()] == ["drawdown", "emergency_stop"]
        assert await world("test/other").latches() == []

    async def test_a_latch_needs_no_lease(self, world: World) -> None:
        holder, other = world(), world()
        assert await holder.acquire("a") is not None
        await other.write_latch(latch())
        assert len(await holder.latches()) == 1

    async def test_simulation_and_live_share_nothing(self, world: World) -> None:
        sim, live = world(), world(mode="live")
        assert [lease.epoch for lease in [await sim.acquire("a")] if lease] == [1]
        assert await live.acquire("a") is not None
        await sim.commit(batch(1, traded()), 1)
        await sim.write_latch(latch())
        assert await live.load() is None
        assert await live.rows("trades", 10) == []
        assert await live.latches() == []

    async def test_an_epoch_of_live_trading_is_no_older_than_its_lease(self, world: World) -> None:
        """So a database that was restored gives none that it has given before, and no client order id twice."""
        began = int(min(datetime.now(UTC), NOW).timestamp())  # The clock of a server, or one that a test moves.
        one, other = await world(mode="live").acquire("a"), await world(mode="live").acquire("a")
        assert one is not None
        assert other is not None
        assert began <= one.epoch < other.epoch

    async def test_only_the_holder_of_the_lease_clears_and_only_the_latch_with_this_id(self, world: World) -> None:
        one, other = world(), world("test/other")
        lease = await one.acquire("a")
        assert lease is not None
        assert await other.acquire("a") is not None
        written = await one.write_latch(latch())
        limit = await one.write_latch(latch(source="drawdown", state=State.HALTED, stop_id="", origin=""))
        assert written is not None
        assert limit is not None
        assert (written.id, limit.id) == ("1f0c2a9b-7", f"drawdown-{limit.number}")
        right = Clearing(latch_id="1f0c2a9b-7", reason="checked", seen_in="1f0c2a9b-9")
        with pytest.raises(FencedError):
            await one.clear_latch(right, lease.epoch + 1)
        with pytest.raises(FencedError):
            await one.clear_latch(right, lease.epoch - 1, latch(stop_id="1f0c2a9b-10"))
        assert await other.clear_latch(right, 1) is None
        for wrong in ("1f0c2a9b-70", "1f0c2a9b-", "", f"emergency_stop-{written.number}", "1F0C2A9B-7"):
            assert await one.clear_latch(msgspec.structs.replace(right, latch_id=wrong), lease.epoch) is None
        assert len(await one.latches()) == 2
        cleared = await one.clear_latch(right, lease.epoch)
        assert cleared is not None
        assert (cleared.key, cleared.cleared_by, cleared.cleared_reason) == (written.key, "spec.resume", "checked")
        assert await one.clear_latch(right, lease.epoch) is None
        # What comes late about it does not revive it.
        late = msgspec.structs.replace(written, outcome={"state": "FLAT"})
        assert await one.write_latch(late) is None
        assert [(row.source, row.cleared_at is None) for row in await one.latches()] == [
            ("drawdown", True),
            ("emergency_stop", False),
        ]

    async def test_the_stop_after_a_resume_is_written_with_it(self, world: World) -> None:
        one = world()
        lease = await one.acquire("a")
        assert lease is not None
        await one.write_latch(latch())
        right = Clearing(latch_id="1f0c2a9b-7", reason="checked", seen_in="1f0c2a9b-9")
        for _ in range(2):
            await one.clear_latch(right, lease.epoch, latch(stop_id="1f0c2a9b-10"))
        held = [row.stop_id for row in await one.latches() if row.cleared_at is None]
        assert held == ["1f0c2a9b-10"]

    async def test_a_resume_that_is_noted_as_void_lifts_nothing_ever(self, world: World) -> None:
        one, other = world(), world("test/other")
        lease = await one.acquire("a")
        assert lease is not None
        assert await other.acquire("a") is not None
        assert not await one.void_resumes(["early"]), "there is no stop yet that it came too early for"
        limit = await one.write_latch(latch(source="drawdown", state=State.HALTED, stop_id="", origin=""))
        await one.write_latch(latch())
        await other.write_latch(latch())
        assert await one.void_resumes(["early", "also"])
        assert await one.void_resumes(["early"])
        held = {row.source: row.void_resumes for row in await one.latches()}
        assert held == {"drawdown": (), "emergency_stop": ("also", "early")}
        early = Clearing(latch_id="1f0c2a9b-7", reason="checked", seen_in="1f0c2a9b-9", key="early")
        assert await one.clear_latch(early, lease.epoch) is None
        assert await other.clear_latch(early, lease.epoch) is not None, "of another bot"
        again = msgspec.structs.replace(early, key="again")
        assert await one.clear_latch(again, lease.epoch) is not None
        # It outlives the stop that it came too early for, whatever it names.
        assert limit is not None
        assert await one.clear_latch(msgspec.structs.replace(early, latch_id=limit.id), lease.epoch) is None
        await one.write_latch(latch(stop_id="1f0c2a9b-8"))
        await one.clear_latch(msgspec.structs.replace(again, latch_id="1f0c2a9b-8"), lease.epoch)
        known = [row for row in await one.latches() if row.void_resumes]
        assert [row.stop_id for row in known] == ["1f0c2a9b-7"], "read also when it is not the newest"

    async def test_a_note_is_written_with_what_it_tells_of_and_told_once(self, world: World) -> None:
        one = world()
        lease = await one.acquire("a")
        assert lease is not None
        with pytest.raises(FencedError):
            await one.commit(batch(1, notes=[note("a")]), lease.epoch + 1)
        assert await one.notes_waiting() == (0, 0.0)
        await one.commit(batch(1, notes=[note("a"), note("b")]), lease.epoch)
        await one.commit(batch(1, notes=[note("c")]), lease.epoch)
        await one.commit(batch(2, notes=[note("a"), note("d")]), lease.epoch)
        claimed = await one.claim_notes(10, 60.0)
        assert [waiting.title for waiting in claimed] == ["title a", "title b", "title d"]
        assert {waiting.attempts for waiting in claimed} == {1}
        assert not any(waiting.expired or waiting.sent for waiting in claimed)
        assert (await one.notes_waiting())[0] == 3

    async def test_a_note_that_is_claimed_is_nobody_elses_until_it_is_settled(self, world: World) -> None:
        one, other = world(), world()
        lease = await one.acquire("a")
        assert lease is not None
        await one.commit(batch(1, notes=[note(str(n)) for n in range(5)]), lease.epoch)
        mine, theirs = await one.claim_notes(3, 60.0), await other.claim_notes(10, 60.0)
        assert [w.title for w in (*mine, *theirs)] == [f"title {n}" for n in range(5)]
        assert await one.claim_notes(10, 60.0) == []
        await one.settle_notes([mine[0].number], ["slack"], "sent", 0.0)
        await one.settle_notes([mine[1].number], ["slack"], "", -1.0)
        again = await other.claim_notes(10, 60.0)
        assert [(w.title, w.sent, w.attempts) for w in again] == [("title 1", ("slack",), 2)]
        assert (await one.notes_waiting())[0] == 4

    async def test_a_claim_of_a_sender_that_died_comes_back(self, world: World) -> None:
        one = world()
        lease = await one.acquire("a")
        assert lease is not None
        await one.commit(batch(1, notes=[note("a")]), lease.epoch)
        assert len(await one.claim_notes(10, -1.0)) == 1
        assert [waiting.attempts for waiting in await one.claim_notes(10, 60.0)] == [2]

    async def test_the_note_of_a_stop_needs_no_lease_and_comes_with_its_latch(self, world: World) -> None:
        one = world()
        written = await one.write_latch(latch(), note("stop"))
        assert written is not None
        await one.write_latch(latch(stop_id="later-9"), note("stop"))
        assert [waiting.kind for waiting in await one.claim_notes(10, 60.0)] == ["alarm"]
        lease = await one.acquire("a")
        assert lease is not None
        right = Clearing(latch_id="1f0c2a9b-7", reason="checked", seen_in="1f0c2a9b-9")
        assert await one.clear_latch(right, lease.epoch) is not None
        assert await one.write_latch(written, note("too late")) is None
        assert (await one.notes_waiting())[0] == 1

    async def test_old_rows_go_in_small_batches_and_trades_never(self, world: World) -> None:
        one, other, robot = world(), world("test/other"), traded()
        for store in (one, other):
            lease = await store.acquire("a")
            assert lease is not None
            await store.commit(batch(1, robot, notes=[note("a"), note("b")]), lease.epoch)
            points = [EquityPoint(n, *(Decimal(1),) * 5) for n in range(3)]
            await store.commit(batch(2, equity=points), lease.epoch)
        whole = await one.rows("equity", 100)
        assert await one.prune("equity", 1.0, 100) == 0
        assert await one.prune("equity", -1.0, 1) == 1
        assert len(await one.rows("equity", 100)) == len(whole) - 1
        for table in ("decisions", "equity", "outbox"):
            while await one.prune(table, -1.0, 1):
                pass
        assert await one.rows("decisions", 10) == await one.rows("equity", 10) == []
        assert await one.notes_waiting() == (0, 0.0)
        assert len(await one.rows("trades", 10)) == 1
        assert len(await one.rows("orders", 10)) == 3
        assert len(await other.rows("decisions", 10)) == 1
        for table in ("trades", "orders", "postings", "intents"):
            with pytest.raises(KeyError):
                await one.prune(table, -1.0, 1)
