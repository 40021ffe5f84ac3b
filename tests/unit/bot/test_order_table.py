"""Every state with everything that can be heard: what happens is written down here, once more and independently."""

from __future__ import annotations

import itertools

import pytest

from tradingbot.core.order_table import TABLE, Heard, move
from tradingbot.domain.orders import OrderState

# Columns: sent accepted refused unknown part all canceled expired absent. "." is refused, "!" raises an alarm.
EXPECTED = """
INTENT         SENT  OPEN     REFUSED  UNKNOWN        PARTIAL    FILLED   CANCELED   EXPIRED   NEVER_ARRIVED
SENT           .     OPEN     REFUSED  UNKNOWN        PARTIAL    FILLED   CANCELED   EXPIRED   NEVER_ARRIVED
UNKNOWN        .     OPEN     REFUSED  UNKNOWN        PARTIAL    FILLED   CANCELED   EXPIRED   NEVER_ARRIVED
OPEN           .     OPEN     .        OPEN           PARTIAL    FILLED   CANCELED   EXPIRED   .
PARTIAL        .     PARTIAL  .        PARTIAL        PARTIAL    FILLED   CANCELED   EXPIRED   .
FILLED         .     FILLED   .        FILLED         FILLED!    FILLED!  .          .         .
CANCELED       .     CANCELED .        CANCELED       CANCELED!  FILLED!  CANCELED   CANCELED  .
EXPIRED        .     EXPIRED  .        EXPIRED        EXPIRED!   FILLED!  EXPIRED    EXPIRED   .
REFUSED        .     OPEN!    REFUSED  REFUSED        PARTIAL!   FILLED!  .          .         .
NEVER_ARRIVED  .     OPEN!    .        NEVER_ARRIVED  PARTIAL!   FILLED!  CANCELED!  EXPIRED!  NEVER_ARRIVED
"""
ROWS = {line.split()[0]: line.split()[1:] for line in EXPECTED.strip().splitlines()}
PAIRS = list(itertools.product(OrderState, enumerate(Heard)))


@pytest.mark.parametrize(("state", "heard"), PAIRS, ids=[f"{s}-{h[1]}" for s, h in PAIRS])
def test_every_pair(state: OrderState, heard: tuple[int, Heard]) -> None:
    column, what = heard
    wanted = ROWS[state.value][column]
    found = move(state, what)
    if wanted == ".":
        assert found is None
    else:
        assert found is not None
        assert found.state.value == wanted.rstrip("!")
        assert found.alarm == wanted.endswith("!")


def test_the_table_knows_every_state_and_a_fill_is_legal_in_each() -> None:
    assert set(TABLE) == set(OrderState)
    assert all({Heard.PART, Heard.ALL} <= set(row) for row in TABLE.values())


def test_an_order_is_never_sent_twice() -> None:
    assert [state for state, row in TABLE.items() if Heard.SENT in row] == [OrderState.INTENT]


def test_only_evidence_closes_an_order() -> None:
    for state, row in TABLE.items():
        if not state.final:
            assert not row[Heard.UNKNOWN].state.final
