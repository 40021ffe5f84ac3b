"""What ccxt really gives for each fault: measured again, and compared with what is written down."""

from __future__ import annotations

import pytest
from tests.exchange_server import measure

pytestmark = pytest.mark.component


async def test_the_table_is_what_ccxt_does() -> None:
    """When this fails after an update of ccxt: `python -m tests.exchange_server.measure`, then read the difference."""
    known = {outcome.key: outcome for outcome in measure.saved()}
    measured = {outcome.key: outcome for outcome in await measure.measure()}
    assert {key: outcome for key, outcome in measured.items() if known.get(key) != outcome} == {}
    assert set(known) == set(measured)


def test_the_page_shows_the_table() -> None:
    assert measure.table(measure.saved()) in measure.README.read_text(encoding="utf-8")


def test_no_class_of_exception_alone_says_that_an_order_was_refused() -> None:
    """The reason for reading more than the class: a bare ExchangeError for an order that was accepted."""
    accepted = {
        (outcome.gives, outcome.family)
        for outcome in measure.saved()
        if outcome.operation == "create_order" and outcome.processed
    }
    assert ("ExchangeError", "ExchangeError") in accepted
    refusals = {gives for gives, family in accepted if family == "ExchangeError"}
    assert refusals == {"ExchangeError"}
