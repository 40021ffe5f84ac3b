"""A bot that runs alone: `tradingbot run` with a folder, as a person starts it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.component.bot.process import NOBODY, BotProcess
from tests.support.waiting import ANSWER_SECONDS

if TYPE_CHECKING:
    from pathlib import Path


class AloneProcess(BotProcess):
    """One process; `folder` keeps ledger and log, what a person would see is in `log`."""

    def __init__(self, folder: Path, name: str = "one", *options: str, **environment: str) -> None:
        super().__init__(folder, name, "")
        self.options, self.environment = options, environment
        self.data = folder / "data"
        self.ledger = self.data / "simulation.db"

    def start(self) -> AloneProcess:
        keep = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
        command = [*self.program, "run", "--data-dir", str(self.data)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *self.options],
                env={**keep, **NOBODY, "HOME": str(self.folder), "PYTHONUNBUFFERED": "1", **self.environment},
                stdout=log,
                stderr=log,
            )
        return self

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """End as with Ctrl-C."""
        return super().end(number)

    def query(self, statement: str) -> list[Any]:
        """Read from the ledger, as another program would."""
        connection = sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=ANSWER_SECONDS)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def audit(self) -> dict[str, int]:
        """Check what must hold of the rows, whatever happened to the process."""
        sums: dict[tuple[int, str], Decimal] = {}
        accounts: dict[tuple[str, str], Decimal] = {}
        for tx, account, asset, amount in self.query("SELECT tx, account, asset, amount FROM postings"):
            sums[tx, asset] = sums.get((tx, asset), Decimal(0)) + Decimal(amount)
            accounts[account, asset] = accounts.get((account, asset), Decimal(0)) + Decimal(amount)
        assert not any(sums.values()), "every asset balances"
        filled: dict[str, Decimal] = {}
        held: dict[str, Decimal] = {}
        fees = Decimal(0)
        for client_id, symbol, side, quantity, fee in self.query(
            "SELECT client_id, symbol, side, quantity, fee FROM trades"
        ):
            filled[client_id] = filled.get(client_id, Decimal(0)) + Decimal(quantity)
            held[symbol] = held.get(symbol, Decimal(0)) + (1 if side == "buy" else -1) * Decimal(quantity)
            fees += Decimal(fee)
        orders = self.query("SELECT client_id, quantity, filled FROM orders")
        for client_id, quantity, done in orders:
            assert Decimal(done) == filled.get(client_id, Decimal(0)) <= Decimal(quantity), "filled by its trades"
        intents = {row[0] for row in self.query("SELECT client_id FROM intents")}
        assert intents == {row[0] for row in orders}, "every order has its intent, and no intent is forgotten"
        for symbol, quantity in self.query("SELECT symbol, quantity FROM positions"):
            assert Decimal(quantity) == held.get(symbol, Decimal(0)), "positions are the sum of trades"
            assert Decimal(quantity) == accounts.get(("available", symbol.split("/")[0]), Decimal(0)), "in the ledger"
        assert fees == sum((amount for (account, _), amount in accounts.items() if account == "fees"), Decimal(0))
        assert self.query("PRAGMA integrity_check") == [("ok",)]
        tables = ("intents", "orders", "trades", "decisions", "equity")
        return {table: self.query(f"SELECT count(*) FROM {table}")[0][0] for table in tables}
