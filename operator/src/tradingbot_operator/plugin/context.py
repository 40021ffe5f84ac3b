"""What a command works with, and how it finds its bots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot_operator.api.names import TRADING_BOT
from tradingbot_operator.kube.errors import KubeError
from tradingbot_operator.plugin.errors import ExitCode, PluginError, explain

if TYPE_CHECKING:
    from argparse import Namespace

    from tradingbot_operator.plugin.api import Api, Manifest
    from tradingbot_operator.plugin.terminal import Terminal

_PREFIXES = tuple(
    f"{word}/"
    for kind in (TRADING_BOT.plural, TRADING_BOT.singular, TRADING_BOT.short)
    for word in (kind, f"{kind}.tradingbots.dev")
)


@dataclass(frozen=True, slots=True)
class Context:
    """One call of the plugin."""

    api: Api
    terminal: Terminal
    args: Namespace

    @property
    def namespace(self) -> str:
        """The namespace of the command."""
        return self.api.namespace

    @property
    def scope(self) -> str | None:
        """The namespace to list; None for all."""
        return None if self.args.all_namespaces else self.api.namespace

    def fetch(self, name: str) -> Manifest:
        """Return one bot, or say that there is none."""
        name = bare(name)
        try:
            return self.api.get(self.namespace, name)
        except KubeError as error:
            raise explain(error, namespace=self.namespace, name=name) from None

    def find(self, names: list[str], selector: str) -> list[Manifest]:
        """Return the bots that are named, or those that the selector finds, by namespace and name."""
        if names:
            if self.args.all_namespaces:
                raise PluginError("a name belongs to one namespace: leave out -A", code=ExitCode.USAGE)
            return [self.fetch(name) for name in dict.fromkeys(names)]
        try:
            items, _ = self.api.bots(self.scope, selector)
        except KubeError as error:
            raise explain(error) from None
        return sorted(items, key=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"]))


def bare(name: str) -> str:
    """Take tbot/NAME for NAME, as kubectl prints it."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
