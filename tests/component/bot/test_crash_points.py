"""The process dies at every await of the order path; whoever comes after it finishes the history.

Four entries, sold by the strategy, by the stop at the exchange, at the target, and kept through an emergency stop. The
exchange executes market orders in two parts, the ticks after they arrive, and tells of fills later still, some twice;
an order that is on its way when its sender dies arrives all the same. In every history: no order is sent twice, none
is forgotten, each has an intent, none lives at the exchange that the bot believes closed, ledger and exchange agree to
the last digit, what is held is protected, and nothing is entered after the latch of the emergency stop.

That this has teeth is shown by mutants of the bot, each of which dies here (`MUTANTS`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.component.bot.crash.world import Outage, World

from tradingbot.core.desk import Desk
from tradingbot.domain import events
from tradingbot.reconcile import resolve
from tradingbot.runtime.inquiry import Inquiry
from tradingbot.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradingbot.ports import venue as answers

PARTS = 4
FAULTS = 0.15
SEEDS = range(1, 9)
STEP = 23
"""With faults, every so manieth await is deadly: which ones differs by seed."""


async def died(deadly: int, seed: int = 0, faults: float = 0.0) -> World:
    world = World(seed, faults)
    await world.live(deadly)
    return world


async def awaits(seed: int = 0, faults: float = 0.0) -> int:
    world = World(seed, faults)
    await world.live()
    assert world.broken() == []
    return world.points.count


async def test_nobody_dies_and_the_history_is_what_the_script_says() -> None:
    world = World()
    await world.live(restarts=2)
    assert world.broken() == []
    roles = [placed.intent.role.value for placed in world.exchange.orders.values()]
    assert (roles.count("entry"), roles.count("exit")) == (4, 2)
    assert len([p for p in world.exchange.orders.values() if p.intent.role == "stop" and p.executed > 0]) == 2
    assert world.points.count > 300


@pytest.mark.parametrize("part", range(PARTS))
async def test_at_every_await(part: int) -> None:
    count = await awaits()
    for deadly in range(1 + part, count + 1, PARTS):
        world = await died(deadly)
        assert world.points.where, "somebody died"
        assert world.broken() == [], f"died at await {deadly}, {world.points.where}"


@pytest.mark.parametrize("seed", SEEDS)
async def test_at_some_awaits_while_the_exchange_answers_badly(seed: int) -> None:
    """15 % of the calls get no answer; of orders that got none, half never arrived."""
    count = await awaits(seed, FAULTS)
    for deadly in range(1 + seed, count + 1, STEP):
        world = await died(deadly, seed, FAULTS)
        assert world.broken() == [], f"seed {seed}, died at await {deadly}, {world.points.where}"


@pytest.mark.parametrize("written", [False, True], ids=["not written", "written, not heard"])
async def test_at_every_commit_that_gets_no_answer_while_a_person_stops_the_bot(written: bool) -> None:
    """What is written when the database is back is what was to be written: rows and saved state agree."""
    whole = World()
    await whole.live()
    for seq in range(1, len(whole.database.batches) + 1):
        world = World()
        world.database.outage = Outage(seq, written=written)
        await world.live()
        assert "after an outage" in world.points.where, f"commit {seq} was made"
        assert world.broken() == [], f"no answer to commit {seq}"


@pytest.mark.parametrize("deadly", [40, 111, 222, 333])
async def test_starting_twice_is_the_same_as_starting_once(deadly: int) -> None:
    once, thrice = World(), World()
    await once.live(deadly, restarts=1)
    await thrice.live(deadly, restarts=3)
    assert thrice.broken() == []
    assert once.digest() == thrice.digest()


# -- mutants -----------------------------------------------------------------------------------------------------------


def send_before_it_is_written(patch: pytest.MonkeyPatch) -> None:
    """The order leaves, then its intent is committed: a crash between them leaves an order that nobody knows."""

    async def flush(self: Runner, *, force: bool = False) -> None:
        async with self.busy:
            while self._pending or force:
                force = False
                effects, self._pending = self._pending, []
                self.wake.clear()
                batch = self._batch(effects)
                await self._carry_out(effects)
                await self._commit(batch)

    patch.setattr(Runner, "flush", flush)


def no_answer_is_a_refusal(patch: pytest.MonkeyPatch) -> None:
    """What timed out is taken for refused."""
    hear = Desk.hear

    def deaf(self: Desk, event: Any) -> None:
        if isinstance(event, events.Unknown):
            event = events.Refused(event.ts, event.client_id, "TIMEOUT", event.cause)
        hear(self, event)

    patch.setattr(Desk, "hear", deaf)


def not_found_once_is_absent(patch: pytest.MonkeyPatch) -> None:
    """The first "not found" ends an order for good, although it may be on its way.

    With the list of open orders believed as well, the bot finds it again: the venue is right about what exists.
    """
    from tests.component.bot.crash import exchange

    from tradingbot.reconcile import diff

    patch.setattr(exchange, "VISIBLE_TICKS", 0)
    patch.setattr(diff, "_UNSURE", frozenset())


def an_intent_of_a_dead_process_was_never_sent(patch: pytest.MonkeyPatch) -> None:
    """At the start, an order that was written and not answered is given up without asking."""
    ask = Inquiry.ask

    async def hasty(self: Inquiry, client_id: str, symbol: str) -> None:
        order = self.runner.order(client_id)
        if order is not None and order.state == "INTENT":
            self.runner.step(events.Closed(self.runner.now(), client_id, events.End.EXPIRED, "never sent"))
            return
        await ask(self, client_id, symbol)

    patch.setattr(Inquiry, "ask", hasty)


def unknown_orders_are_sent_again(patch: pytest.MonkeyPatch) -> None:
    """What was not answered is sent once more under the same id."""
    send = Runner._send

    async def twice(self: Runner, approved: Any) -> None:
        await send(self, approved)
        order = self.order(approved.item.client_id)
        if order is not None and order.state == "UNKNOWN":
            await self.venue.submit(approved)

    patch.setattr(Runner, "_send", twice)


def an_ended_order_has_no_more_fills(patch: pytest.MonkeyPatch) -> None:
    """An order that is found closed is ended without its fills."""

    async def skip(self: Inquiry, client_id: str, symbol: str, found: answers.Found) -> bool:
        return True

    patch.setattr(Inquiry, "_fills", skip)
    patch.setattr(Inquiry, "book", lambda self, fills: False)


def a_cancel_that_was_lost_is_not_repeated(patch: pytest.MonkeyPatch) -> None:
    """What was asked for before the crash is believed to have been done."""
    patch.setattr(Desk, "cancel_again", lambda self: None)


def live_is_dead(patch: pytest.MonkeyPatch) -> None:
    """An order that the exchange has is taken for one that ended."""

    def wrong(order: Any, found: Any, ts: int) -> Any:
        return events.Closed(ts, order.intent.client_id, events.End.CANCELED, "")

    patch.setattr(resolve, "answer", wrong)


MUTANTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    send_before_it_is_written,
    no_answer_is_a_refusal,
    not_found_once_is_absent,
    an_intent_of_a_dead_process_was_never_sent,
    unknown_orders_are_sent_again,
    an_ended_order_has_no_more_fills,
    a_cancel_that_was_lost_is_not_repeated,
    live_is_dead,
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
async def test_a_bot_with_this_fault_is_found_out(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    for seed in range(20):
        # Nobody has to die for some of them: an exchange that answers badly is enough.
        if await breaks(World(seed, 2 * FAULTS), 0):
            return
    for seed, faults in ((1, FAULTS), (0, 0.0)):
        first = World(seed, faults)
        await breaks(first, 0)
        for deadly in rarest_first(first.points.names):
            if await breaks(World(seed, faults), deadly):
                return
    pytest.fail("nothing was broken")


async def breaks(world: World, deadly: int) -> bool:
    try:
        await world.live(deadly)
    except Exception:  # noqa: BLE001 - a bot that breaks is found out as well
        return True
    return world.broken() != []


def rarest_first(names: list[str]) -> list[int]:
    """The numbers of all awaits, those of the rarest kind first."""
    often = Counter(names)
    return sorted(range(1, len(names) + 1), key=lambda number: often[names[number - 1]])
