"""`status`: a readable picture of one or many bots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradingbot_operator.kube.errors import KubeError
from tradingbot_operator.plugin.advice import next_steps
from tradingbot_operator.plugin.context import bare
from tradingbot_operator.plugin.errors import ExitCode, PluginError, explain
from tradingbot_operator.plugin.output import dump
from tradingbot_operator.plugin.picture import take
from tradingbot_operator.plugin.render import detail, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tradingbot_operator.plugin.api import Manifest
    from tradingbot_operator.plugin.context import Context

RETRY_SECONDS = 2.0


def run(context: Context) -> ExitCode:
    """Show the bots, once or on every change."""
    args = context.args
    if args.names and args.selector:
        raise PluginError("give names or a selector, not both", code=ExitCode.USAGE)
    if args.watch:
        return _watch(context)
    found = context.find(args.names, args.selector)
    if not found and args.output not in {"json", "yaml"}:
        where = "" if args.all_namespaces else f" in namespace {context.namespace}"
        context.terminal.note(f"No TradingBots{where}.")
        return ExitCode.OK
    _show(context, found)
    return ExitCode.OK


def _show(context: Context, found: Iterable[Manifest]) -> None:
    args, terminal = context.args, context.terminal
    now = terminal.now()
    pictures = [take(obj) for obj in found]
    if args.output in {"json", "yaml"}:
        items: list[dict[str, Any]] = [
            picture.to_json() | {"nextSteps": next_steps(picture, now)} for picture in pictures
        ]
        value = items[0] if len(args.names) == 1 and len(items) == 1 else {"items": items}
        terminal.say(dump(value, args.output))
    elif args.names and args.output != "wide":
        terminal.say("\n\n".join(detail(picture, now, colour=terminal.colour) for picture in pictures))
    else:
        wide = args.output == "wide"
        terminal.say(table(pictures, now, namespaces=args.all_namespaces, wide=wide, colour=terminal.colour))


def _watch(context: Context) -> ExitCode:
    """Show again on every change. The server ends a watch now and then: list anew, and go on."""
    args, terminal = context.args, context.terminal
    names = {bare(name) for name in args.names}
    shown: list[Manifest] | None = None
    while True:
        try:
            items, version = context.api.bots(context.scope, args.selector)
            bots = {_key(item): item for item in items if not names or item["metadata"]["name"] in names}
            missing = names - {name for _, name in bots}
            if missing and shown is None:
                context.fetch(min(missing))
            shown = _refresh(context, bots, shown)
            for kind, obj in context.api.watch(context.scope, args.selector, version):
                if names and obj["metadata"]["name"] not in names:
                    continue
                if kind == "DELETED":
                    bots.pop(_key(obj), None)
                else:
                    bots[_key(obj)] = obj
                shown = _refresh(context, bots, shown)
        except KubeError as error:
            if error.code != 410:
                if not error.retryable:
                    raise explain(error) from None
                terminal.note(f"{error}; trying again")
                terminal.sleep(RETRY_SECONDS)


def _refresh(context: Context, bots: dict[tuple[str, str], Manifest], shown: list[Manifest] | None) -> list[Manifest]:
    found = [bots[key] for key in sorted(bots)]
    if found != shown:
        context.terminal.clear()
        _show(context, found)
    return found


def _key(obj: Manifest) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
