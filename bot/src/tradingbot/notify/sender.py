"""Reads the outbox and tells people. At least once per channel, in order, with patience; trading never waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from tradingbot.domain.notes import URGENT
from tradingbot.notify.channels import DeliveryError, Message
from tradingbot.observe import logs
from tradingbot.ports.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradingbot.observe.health import Health
    from tradingbot.observe.metrics import Metrics
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.store import Store, Waiting

POLL_SECONDS = 2.0
MOST = 20
"""Notes in one message at most: a burst is one message, not twenty."""
SEND_SECONDS = 25.0
"""How long one message to one channel may take, all its requests together."""
CLAIM_SECONDS = 40.0
"""Longer than a round; a process that is killed in one leaves its notes for this long."""
FIRST_SECONDS, LONGEST_SECONDS = 5.0, 600.0
SENT, EXPIRED, NOT_WANTED = "sent", "expired", "not wanted"

_log = logs.get(__name__)


class Sending(Protocol):
    """A channel, as the sender sees it."""

    name: str

    def send(self, message: Message) -> None:
        """Send, or raise `DeliveryError`; may block."""


class Sender:
    """One task. What it cannot send now stays in the outbox, for the next attempt or the next process."""

    def __init__(
        self,
        store: Store,
        channels: Sequence[Sending],
        bot: str,
        kinds: frozenset[str],
        clock: Clock,
        health: Health,
        metrics: Metrics,
    ) -> None:
        self.store, self.channels, self.bot, self.kinds = store, list(channels), bot, kinds
        self.clock, self.health, self.metrics = clock, health, metrics
        self._threads = ThreadPoolExecutor(max(1, len(self.channels)), thread_name_prefix="notify")
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._troubled: dict[str, str] = {}
        self._busy = asyncio.Lock()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            try:
                busy = await self.round()
                number, age = await self.store.notes_waiting()
                self.metrics.notes_waiting.set(number)
                self.metrics.notes_age.set(age)
            except StoreError as error:
                _log.debug("the outbox cannot be read now", error=str(error))
                busy = False
            if not busy:
                await self.clock.sleep(POLL_SECONDS)

    async def close(self, seconds: float) -> None:
        """Send what was written last, as far as there is time."""
        try:
            async with asyncio.timeout(seconds):
                while await self.round():
                    pass
        except (StoreError, TimeoutError):
            _log.info("notes are left in the outbox; the next process sends them")
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def round(self) -> bool:
        """Take the notes that are due, and send them; tell whether anything was done for good."""
        async with self._busy:
            return await self._round()

    async def _round(self) -> bool:
        waiting = await self.store.claim_notes(MOST, CLAIM_SECONDS)
        if not waiting:
            return False
        late = [note for note in waiting if note.expired]
        if late:
            _log.warning("notes could not be sent in time", number=len(late), problems=self._troubled)
            await self._settle(late, (), EXPIRED)
        unwanted = [note for note in waiting if not note.expired and note.kind not in self.kinds]
        if unwanted:
            await self._settle(unwanted, (), NOT_WANTED)
        fresh = [note for note in waiting if not note.expired and note.kind in self.kinds]
        names = [channel.name for channel in self.channels]
        results = await asyncio.gather(*(self._tell(channel, fresh) for channel in self.channels))
        took = {name for name, done in zip(names, results, strict=True) if done}
        for sent in {note.sent for note in fresh}:
            await self._after(sorted({*sent, *took}), [note for note in fresh if note.sent == sent])
        return bool(took or late or unwanted)

    async def _after(self, sent: list[str], notes: list[Waiting]) -> None:
        if all(channel.name in sent for channel in self.channels):
            await self._settle(notes, sent, SENT)
            return
        attempts = max(note.attempts for note in notes)
        again = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempts - 1, 10))
        await self.store.settle_notes([note.number for note in notes], sent, "", again)

    async def _settle(self, notes: Sequence[Waiting], sent: Sequence[str], outcome: str) -> None:
        await self.store.settle_notes([note.number for note in notes], sent, outcome, 0.0)
        self.metrics.notes.labels(outcome.replace(" ", "_")).inc(len(notes))

    async def _tell(self, channel: Sending, notes: Sequence[Waiting]) -> bool:
        """Send the notes that a channel does not have yet; tell whether it has them all now."""
        missing = [note for note in notes if channel.name not in note.sent]
        if not missing:
            return True
        try:
            await self._send(channel, compose(self.bot, missing))
        except DeliveryError as error:
            self._trouble(channel.name, str(error))
            return False
        self._trouble(channel.name, "")
        return True

    async def _send(self, channel: Sending, message: Message) -> None:
        before = self._under_way.get(channel.name)
        if before is not None and not before.done():
            raise DeliveryError("the message before has not ended yet")
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, channel.send, message)
        self._under_way[channel.name] = future
        done, _ = await asyncio.wait({future}, timeout=SEND_SECONDS)
        if not done:
            future.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise DeliveryError(f"no answer within {SEND_SECONDS:.0f} s")
        future.result()

    def _trouble(self, name: str, problem: str) -> None:
        outcome = "failed" if problem else "ok"
        self.metrics.deliveries.labels(name, outcome).inc()
        if problem and self._troubled.get(name) != problem:
            _log.warning("a notification could not be sent; it is tried again", channel=name, error=problem)
        if problem:
            self._troubled[name] = problem
        elif self._troubled.pop(name, None) is not None:
            _log.info("notifications are taken again", channel=name)
        self.health.notifications = {**self.health.notifications, name: problem or "ok"}


def compose(bot: str, notes: Sequence[Waiting]) -> Message:
    """Put notes into one message."""
    urgent = any(note.kind in URGENT for note in notes)
    if len(notes) == 1:
        note = notes[0]
        return Message(f"{bot}: {note.title}", f"{note.body}\n{note.created_at:%Y-%m-%d %H:%M:%S} UTC", urgent)
    lines = [f"{note.created_at:%H:%M:%S} {note.title}: {note.body}" for note in notes]
    return Message(f"{bot}: {len(notes)} messages", "\n".join(lines), urgent)
