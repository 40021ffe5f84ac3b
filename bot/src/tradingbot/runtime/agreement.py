"""Agreeing with the venue on orders, fills and balances: at the start, after a silence, and again and again.

What is ours is booked. What differs for a reason that nobody can tell halts, with the sentence that says what differs:

| what is found | what is done |
| --- | --- |
| a fill of an order of ours | booked, once, however often and in whatever order it is told |
| a sale by `tradingbot kill` in our place | its order is entered, and booked like one of ours |
| a stop of ours that the ledger lacks, of a position | entered as the position's: of a kill, or from before a restore |
| an entry of ours that the ledger lacks | taken back (`runtime.strays`) |
| an order of ours whose fate is not known | asked for until the venue says it, never sent again |
| an open order that is not ours | HALTED until it is gone: two bots, or a person, share the account |
| more money than the ledger says | a deposit: booked as capital, with an alarm |
| less money, or one asset for another | HALTED; after a minute latched. A person's resume books it as moved capital |
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from tradingbot.domain import effects as fx
from tradingbot.domain import events, ids
from tradingbot.domain.money import ZERO, plain, total
from tradingbot.domain.secrecy import describe
from tradingbot.domain.states import State
from tradingbot.observe import logs
from tradingbot.ports import venue as answers
from tradingbot.reconcile import diff
from tradingbot.runtime.inquiry import DOUBT_SECONDS
from tradingbot.runtime.strays import Strays

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.ports.venue import VenueReport
    from tradingbot.runtime.inquiry import Inquiry
    from tradingbot.runtime.runner import Runner

RECONCILE_SECONDS, AGAIN_SECONDS = 30.0, 2.0
"""Between two reports: while everything agrees, and while it does not."""
SILENCES = 2
"""So many reports in a row that do not come block entries."""
LATCH_AFTER = 60.0
"""Seconds for which a difference may pass by itself, before a person has to look."""
BALANCES = "balances"
"""Source of the latch."""

_log = logs.get(__name__)


class Cursor(msgspec.Struct):
    """What is remembered of a real venue, committed with the ledger."""

    since: int = 0
    """The venue's time in microseconds of the last report that agreed: fills from then on are asked for."""


class Agreement:
    """What a runner and its venue have in common."""

    def __init__(self, runner: Runner, inquiry: Inquiry) -> None:
        self.runner, self.inquiry, self.real = runner, inquiry, inquiry.real
        self.cursor = Cursor(runner.wall() if self.real is not None else 0)
        self.met = False
        """It agreed at least once since this runner began."""
        self.settled = False
        """It agreed when the last report came."""
        self.accept = False
        """A person has resumed from a difference of balances: what differs now is capital that was moved."""
        self.strays = Strays(runner, self.real) if self.real is not None else None
        self._one = asyncio.Lock()
        self._suspects: dict[str, Decimal] = {}
        self._since: float | None = None
        self._silences = 0
        self._reported = runner.clock.monotonic()

    def save(self) -> bytes:
        """Write what is remembered of the venue."""
        return msgspec.json.encode(self.cursor)

    def load(self, saved: bytes) -> None:
        """Read what `save` wrote."""
        self.cursor = msgspec.json.decode(saved, type=Cursor)

    # -- everything ------------------------------------------------------------------------------------------------

    async def reconcile(self) -> None:
        """Agree with the venue on orders, fills and balances; halt on what cannot be explained."""
        async with self._one:
            await self.look()
            before = self._activity()
            report = await self._report()
            if isinstance(report, answers.Unavailable):
                self._silent(report.cause)
            else:
                await self._go_by(report, before)

    async def look(self) -> None:
        """Ask a real venue for every open order in our name when it is time to."""
        if self.strays is not None and self.strays.due:
            await self.strays.look()

    def _adopt(self, report: VenueReport) -> None:
        """Enter stops of ours that protect a position, and what `tradingbot kill` has sold in our place."""
        bot, now = self.runner.engine.config.bot, self.runner.now()
        for order in report.orders:
            stop = None if order.enters or not ids.is_of(bot, order.client_id) else order.stop_price
            if stop is not None and self.runner.order(order.client_id) is None:
                self.runner.step(events.Adopted(now, order.client_id, order.symbol, order.quantity, stop, rests=True))
        sold: dict[str, list[events.Fill]] = {}
        for fill in report.fills:
            if ids.is_kill(bot, fill.client_id) and fill.ts >= self.cursor.since:
                sold.setdefault(fill.client_id, []).append(fill)
        for client_id, fills in sold.items():
            symbol = report.symbols.get(fills[0].trade_id)
            if symbol is not None and self.runner.order(client_id) is None:
                quantity, price = total(fill.quantity for fill in fills), min(fill.price for fill in fills)
                self.runner.step(events.Adopted(now, client_id, symbol, quantity, price))

    def _activity(self) -> tuple[int, int]:
        return self.runner.engine.state.book.last_tx, self.runner.engine.state.intents

    async def _go_by(self, report: VenueReport, before: tuple[int, int]) -> None:
        runner = self.runner
        self._silences = 0
        if self.real is not None:
            runner.hold("exchange", State.HALTED if self.real.problem else State.ACTIVE, self.real.problem)
        self._adopt(report)
        findings = diff.orders(runner.engine.state.orders, report)
        for event in findings.events:
            if not isinstance(event, events.Fill):
                runner.step(event)
        self.inquiry.book(event for event in findings.events if isinstance(event, events.Fill))
        for client_id in (*findings.ask, *self._grown(report)):
            order = runner.order(client_id)
            if order is not None and order.live and not self.inquiry.unsent(order):
                await self.inquiry.ask(client_id, order.intent.symbol)
        problems = await self._foreign(report, frozenset(findings.foreign))
        if self.real is None:
            problems = [*diff.holdings(runner.engine.state.book, report), *problems]
            self._conclude(problems, settled=True, report=report)
        else:
            self._compare(report, problems, moved=self._activity() != before)
        _log.info("reconciled with the venue", booked=len(findings.events), asked=len(findings.ask), problems=problems)

    async def _foreign(self, report: VenueReport, unknown: frozenset[str]) -> list[str]:
        """Return a sentence for each open order that the ledger lacks; what would open something of ours goes."""
        strays, problems = self.strays, []
        for order in report.orders:
            if order.client_id in unknown:
                ours = strays is not None and strays.mine(order.client_id)
                whose = "is ours by its name, but not in the ledger" if ours else "is not ours"
                problems.append(f"order {order.client_id} at the venue {whose}")
                if strays is not None and ours and order.enters:
                    await strays.look()
        return problems

    async def _report(self) -> VenueReport | answers.Unavailable:
        since = self.cursor.since if self.real is not None else 0
        try:
            return await self.runner.venue.report(since)
        except Exception as error:  # noqa: BLE001 - see ask
            return answers.Unavailable(describe(error))

    def _silent(self, cause: str) -> None:
        self._silences += 1
        if self.real is None or not self.met or self._silences >= SILENCES:
            source = "reconcile" if self.real is None else "exchange"
            self.runner.hold(source, State.HALTED, f"the venue does not answer: {cause}")
            self.settled = False

    def _grown(self, report: VenueReport) -> list[str]:
        """Return orders of which more was executed than is booked."""
        mine = self.runner.engine.state.orders
        return [o.client_id for o in report.orders if o.client_id in mine and o.filled > mine[o.client_id].filled]

    # -- money -----------------------------------------------------------------------------------------------------

    def _compare(self, report: VenueReport, problems: list[str], *, moved: bool) -> None:
        """Compare balances. They were told first, so a fill of the meantime makes them old, and they are asked anew."""
        runner = self.runner
        doubts = self.inquiry.doubts()
        if runner.engine.state.guard is None:
            self._open(report, problems)
            return
        differences = diff.balances(runner.engine.state.book, report)
        if doubts:
            problems = [*problems, f"the venue has not said yet what became of {', '.join(sorted(doubts))}"]
        elif differences and (moved or (differences != self._suspects and not self.accept)):
            # Told once: it may be on its way. Entries wait for the second time only where it never agreed before.
            self._suspects = differences
            self.settled = False
            if not self.met:
                problems = [*problems, *_sentences(differences)]
                self._conclude(problems, settled=False, report=report)
            return
        if not doubts:
            self._suspects = differences
            if differences and (self.accept or all(amount > 0 for amount in differences.values())):
                self._moved(differences)
                differences = {}
            problems = [*problems, *_sentences(differences, self._strangers(report))]
        self.accept = False
        self._conclude(problems, settled=not problems, report=report)
        self._latch(differences)

    def _open(self, report: VenueReport, problems: list[str]) -> None:
        """Open the account of a bot that never traded, with what is there."""
        runner = self.runner
        quote = runner.engine.config.quote
        if report.balances.get(quote, ZERO) <= 0:
            problems = [*problems, f"the account holds no {quote}: there is nothing to trade with"]
        if not problems:
            runner.collect(runner.engine.open_account(runner.now(), report.balances))
        self._conclude(problems, settled=not problems, report=report)

    def _moved(self, differences: dict[str, Decimal]) -> None:
        for asset, amount in sorted(differences.items()):
            how = "came into" if amount > 0 else "left"
            note = f"{plain(abs(amount))} {asset} {how} the account, and no order of this bot explains it"
            self.runner.step(events.CapitalMoved(self.runner.now(), asset, amount, note))

    def _strangers(self, report: VenueReport) -> list[str]:
        """Return a sentence for each fill since the last agreement that this bot knows nothing of."""
        bot, found = self.runner.engine.config.bot, []
        for fill in report.fills:
            if self.runner.order(fill.client_id) is None and fill.ts >= self.cursor.since:
                ours = ids.is_of(bot, fill.client_id)
                whose = "is ours by its id, but not in the ledger" if ours else "is not ours"
                found.append(f"fill {fill.trade_id} of order {fill.client_id} {whose}")
        return found

    def _conclude(self, problems: list[str], *, settled: bool, report: VenueReport) -> None:
        self.settled = settled and not problems
        if self.settled:
            self.met, self._since = True, None
            self._suspects = {}
            if self.real is not None:
                self.cursor.since = report.ts
        self.runner.hold("reconcile", State.HALTED if problems else State.ACTIVE, "; ".join(problems))

    def _latch(self, differences: dict[str, Decimal]) -> None:
        """Latch a difference that stays: it has a name then, which a person can resume by."""
        runner = self.runner
        if not differences:
            self._since = None
            return
        now = runner.clock.monotonic()
        self._since = now if self._since is None else self._since
        held = any(entry.source == BALANCES for entry in runner.engine.board.restrictions())
        if now - self._since < LATCH_AFTER or held:
            return
        text = "; ".join(_sentences(differences))
        text += "; a resume by this id books the difference as capital that was moved"
        runner.step(events.Hold(runner.now(), BALANCES, State.HALTED, text, latched=True))
        runner.collect([fx.Latch(BALANCES, State.HALTED, text, runner.now())])

    # -- for ever --------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Ask for orders and reports until cancelled. What follows from the answers is done by the trading loop."""
        self._reported = self.runner.clock.monotonic()
        while True:
            await self.round()
            await self.runner.clock.sleep(DOUBT_SECONDS / 2)

    async def round(self) -> None:
        """Ask for what is due by now: single orders, strays, the whole report."""
        await self.inquiry.all()
        await self.look()
        pause = RECONCILE_SECONDS if self.settled else AGAIN_SECONDS
        if self.runner.clock.monotonic() - self._reported >= pause:
            await self.reconcile()
            self._reported = self.runner.clock.monotonic()


def _sentences(differences: dict[str, Decimal], more: list[str] | None = None) -> list[str]:
    found = [
        f"{asset}: the venue has {plain(abs(amount))} {'more' if amount > 0 else 'less'} than the ledger"
        for asset, amount in sorted(differences.items())
    ]
    return [*found, *(more or [])] if found else []
