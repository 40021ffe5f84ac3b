"""What the page tells a person to do about each thing that restricts trading: the command or the button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradingbot.domain import flags
from tradingbot.risk.latch import EMERGENCY
from tradingbot.runtime import approval, resume
from tradingbot.runtime.commands import PAUSE

if TYPE_CHECKING:
    from tradingbot.config.model import Settings
    from tradingbot.risk.latch import Restriction

BY_ITSELF = {
    "database": "Look at the database. The bot goes on by itself when it answers; until then nothing is sent.",
    "exchange": "Look at the exchange's status page. The bot goes on by itself when it answers and agrees.",
    "reconcile": "It ends by itself. If it lasts a minute, compare the account at the exchange with what is held here.",
    "feed": "Look at the exchange's status page, or at the recorded data. The bot goes on by itself when prices come.",
    "watch": "Look at the API server and the bot's Role. The bot goes on by itself when it can read its TradingBot.",
    "watchdog": "The process was held up: look at the CPU of its node. It goes on by itself.",
}


class Advice:
    """Says what to do, in the words of the place where the bot runs."""

    def __init__(self, settings: Settings, *, alone: bool) -> None:
        self.alone = alone
        section = settings.kubernetes
        self.target = f"{section.name} -n {section.namespace or settings.bot.namespace}"

    def stop(self) -> str:
        """Say how to stop it without this page and its key."""
        return "" if self.alone else f"kubectl tradingbot stop {self.target}"

    def approve(self) -> str:
        """Say how to renew the approval of a live bot."""
        return "" if self.alone else f"kubectl tradingbot approve {self.target}"

    def of(self, held: Restriction) -> str:
        """Say what ends a restriction."""
        if held.source == PAUSE:
            return "Press Start."
        if held.source == flags.SOURCE:
            return f"Set the feature flag {flags.ENTRIES} to 1: PUT /api/v1/flags/{flags.ENTRIES}."
        if held.source == "spec":
            where = "in the configuration" if self.alone else "in spec.trading of the TradingBot"
            return f"Set it to Active {where}."
        if held.source == approval.SOURCE:
            return f"A second person looks at the bot and approves it: {self.approve() or 'a new configuration'}."
        if held.source == resume.SOURCE:
            return ""
        if held.source == EMERGENCY or held.latched:
            return self._resume(held)
        if held.source == "live":
            return f"kubectl tradingbot status {self.target} says why, and what ends it."
        return BY_ITSELF.get(held.source, "It goes on by itself when the cause is gone.")

    def _resume(self, held: Restriction) -> str:
        if not held.latch_id and held.source != EMERGENCY:
            return "It can be resumed as soon as the database has it."
        looked = "Find out why first. Only a person ends it: "
        if self.alone:
            return f"{looked}press Resume, and give the API key."
        return f"{looked}kubectl tradingbot resume {self.target} --reason '…'"
