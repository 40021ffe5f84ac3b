"""One exchange of ccxt is imported without the others; whoever imports ccxt afterwards has all of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tradingbot.venues.ccxt.lean import exchange_class

LOOK = """
import json, sys
from tradingbot.venues.ccxt.lean import exchange_class
found = exchange_class("binance")
loaded = sum(1 for name in sys.modules if name.startswith("ccxt.async_support.") and name.count(".") == 2)
sync = sum(1 for name in sys.modules if name.startswith("ccxt.") and name.count(".") == 1)
import ccxt.async_support as whole
import ccxt
print(json.dumps([loaded, sync, found is whole.binance, len(whole.exchanges) > 50, whole.kraken.__name__,
                  issubclass(whole.InvalidOrder, ccxt.BaseError), ccxt.binance.__module__]))
"""


def test_it_imports_one_exchange_and_hides_none() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    loaded, sync, same, complete, other, errors, synchronous = json.loads(done.stdout)
    assert loaded < 5
    assert sync < 10
    assert (same, complete, other, errors, synchronous) == (True, True, "kraken", True, "ccxt.binance")


@pytest.mark.parametrize("name", ["", "nosuch", "base", "../binance", "base.exchange", "Binance", "os"])
def test_what_is_no_exchange_is_none(name: str) -> None:
    assert exchange_class(name) is None
