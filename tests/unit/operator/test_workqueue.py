"""The queue, with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import Clock

from tradingbot_operator.runtime.metrics import Metrics
from tradingbot_operator.runtime.workqueue import Priority, QueueClosedError, WorkQueue


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, jitter: float = 1.0) -> WorkQueue[str]:
    return WorkQueue(clock=clock, call_later=clock.later, jitter=lambda: jitter)


async def take(queue: WorkQueue[str]) -> str:
    return await asyncio.wait_for(queue.get(), 60)


async def test_a_key_is_queued_once(clock: Clock) -> None:
    queue = make(clock)
    for _ in range(3):
        queue.add("a")
    assert len(queue) == 1
    assert await take(queue) == "a"
    assert len(queue) == 0


async def test_an_add_during_a_pass_causes_exactly_one_more(clock: Clock) -> None:
    queue = make(clock)
    queue.add("a")
    await take(queue)
    for _ in range(5):
        queue.add("a")
    assert len(queue) == 0, "one pass a key at a time"
    queue.done("a")
    assert await take(queue) == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_the_earliest_timer_wins(clock: Clock) -> None:
    queue = make(clock)
    queue.add_after("a", 60)
    queue.add_after("a", 5)
    queue.add_after("a", 30)
    clock.advance(4.9)
    assert len(queue) == 0
    clock.advance(0.2)
    assert await take(queue) == "a"
    queue.done("a")
    clock.advance(120)
    assert len(queue) == 0, "the later timers are void"


async def test_an_add_voids_the_timer(clock: Clock) -> None:
    queue = make(clock)
    queue.add_after("a", 5)
    queue.add("a")
    await take(queue)
    queue.done("a")
    clock.advance(10)
    assert len(queue) == 0


async def test_failures_wait_twice_as_long_each_time_up_to_a_cap(clock: Clock) -> None:
    queue = make(clock)
    queue.add("a")
    waits = []
    for _ in range(12):
        await take(queue)
        queue.done("a", failed=True)
        start = clock.now
        while not len(queue):
            clock.advance(0.25)
        waits.append(clock.now - start)
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == 300.0


async def test_success_resets_the_back_off(clock: Clock) -> None:
    queue = make(clock)
    queue.add("a")
    for _ in range(5):
        await take(queue)
        queue.done("a", failed=True)
        clock.advance(300)
    await take(queue)
    queue.done("a")
    assert queue.failures("a") == 0
    queue.add("a")
    await take(queue)
    queue.done("a", failed=True)
    clock.advance(0.5)
    assert len(queue) == 1


async def test_jitter_shortens_by_up_to_a_half(clock: Clock) -> None:
    queue = make(clock, jitter=0.0)
    queue.add("a")
    await take(queue)
    queue.done("a", failed=True)
    clock.advance(0.25)
    assert len(queue) == 1


async def test_a_stop_goes_before_everything_and_reports_go_last(clock: Clock) -> None:
    queue = make(clock)
    queue.add("report", Priority.LOW)
    queue.add("bot-1")
    queue.add("bot-2")
    queue.add("stop", Priority.URGENT)
    assert [await take(queue) for _ in range(4)] == ["stop", "bot-1", "bot-2", "report"]


async def test_a_waiting_key_moves_up_never_down(clock: Clock) -> None:
    queue = make(clock)
    queue.add("a", Priority.LOW)
    queue.add("b")
    queue.add("a", Priority.URGENT)
    queue.add("a", Priority.LOW)
    assert [await take(queue), await take(queue)] == ["a", "b"]


async def test_reports_do_not_wait_for_ever(clock: Clock) -> None:
    queue = make(clock)
    queue.add("report", Priority.LOW)
    clock.advance(31)
    queue.add("bot")
    assert await take(queue) == "report"


async def test_a_cancelled_worker_loses_no_key(clock: Clock) -> None:
    queue = make(clock)
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 60) == "a"


async def test_a_closed_queue_hands_out_nothing(clock: Clock) -> None:
    queue = make(clock)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    queue.close()
    with pytest.raises(QueueClosedError):
        await waiting
    with pytest.raises(QueueClosedError):
        await queue.get()


async def test_ages_show_what_is_stuck(clock: Clock) -> None:
    queue = make(clock)
    queue.add("a")
    clock.advance(3)
    assert queue.oldest_wait() == 3
    await take(queue)
    clock.advance(4)
    assert (queue.oldest_wait(), queue.oldest_pass()) == (0, 4)


async def test_a_long_line_that_moves_is_no_standstill(clock: Clock) -> None:
    queue = make(clock)
    for number in range(100):
        queue.add(f"bot-{number}")
    for _ in range(99):
        clock.advance(3)
        assert queue.standstill() == 3, "as long as since the last one was taken, however long the line is"
        queue.done(await take(queue))
    clock.advance(500)
    assert queue.standstill() == 500, "nobody takes the last one"
    queue.done(await take(queue))
    clock.advance(500)
    assert queue.standstill() == 0, "nothing waits"
    queue.add("late")
    clock.advance(1)
    assert queue.standstill() == 1, "the time before it came does not count"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "work", "fail", "wait"])), max_size=60))
async def test_no_key_is_ever_lost_or_worked_on_twice_at_once(steps: list[tuple[str, str]]) -> None:
    clock = Clock()
    queue = make(clock)
    owed: Counter[str] = Counter()
    active: list[str] = []
    for key, step in steps:
        if step == "add":
            queue.add(key)
            owed[key] = 1
        elif step == "wait":
            clock.advance(400)
        elif len(queue):
            taken = await take(queue)
            assert taken not in active
            active.append(taken)
            owed[taken] = 0
        if active and step != "work":
            done = active.pop(0)
            failed = step == "fail"
            queue.done(done, failed=failed)
            owed[done] = max(owed[done], int(failed))
    for key in active:
        queue.done(key)
    clock.advance(400)
    left = set()
    while len(queue):
        taken = await take(queue)
        left.add(taken)
        queue.done(taken)
    assert {key for key, count in owed.items() if count} <= left


async def test_the_measured_depth_is_what_waits() -> None:
    metrics = Metrics()
    queue: WorkQueue[str] = WorkQueue(hooks=metrics.queue("q"))
    depths = []
    queue.add("a")
    queue.add("b")
    for _ in range(2):
        depths.append(metrics.registry.get_sample_value("workqueue_depth", {"name": "q"}))
        queue.done(await take(queue))
    depths.append(metrics.registry.get_sample_value("workqueue_depth", {"name": "q"}))
    assert depths == [2, 1, 0]
