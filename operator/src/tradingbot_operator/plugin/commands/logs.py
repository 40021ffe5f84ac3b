"""`logs`: what the bot's pods say."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from tradingbot_operator.kube.errors import KubeError
from tradingbot_operator.plugin.api import LogOptions
from tradingbot_operator.plugin.errors import ExitCode, PluginError, explain
from tradingbot_operator.plugin.text import parse_span

if TYPE_CHECKING:
    from tradingbot_operator.plugin.context import Context


def run(context: Context) -> ExitCode:
    """Print the logs of the bot's pods, oldest pod first; with -f of all at once."""
    args, terminal = context.args, context.terminal
    bot = context.fetch(args.name)["metadata"]
    options = _options(context)
    try:
        pods = context.api.pods(bot["namespace"], bot["name"])
    except KubeError as error:
        raise explain(error) from None
    pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))
    names = [pod["metadata"]["name"] for pod in pods]
    if args.pod:
        names = [name for name in names if name == args.pod]
    if not names:
        what = f"no pod {args.pod}" if args.pod else "no pod yet"
        raise PluginError(
            f"{bot['namespace']}/{bot['name']} has {what}",
            code=ExitCode.NOT_FOUND,
            hint=f"Why: kubectl tradingbot status {bot['name']} -n {bot['namespace']}",
        )
    if options.follow and len(names) > 1:
        return _follow(context, bot["namespace"], names, options)
    for name in names:
        prefix = f"[{name}] " if len(names) > 1 else ""
        try:
            for line in context.api.log(bot["namespace"], name, options):
                terminal.say(f"{prefix}{line}")
        except KubeError as error:
            raise explain(error) from None
    return ExitCode.OK


def _options(context: Context) -> LogOptions:
    args = context.args
    try:
        since = int(parse_span(args.since).total_seconds()) if args.since else None
    except ValueError as error:
        raise PluginError(str(error), code=ExitCode.USAGE) from None
    return LogOptions(args.follow, args.tail, since, args.previous, args.timestamps)


def _follow(context: Context, namespace: str, names: list[str], options: LogOptions) -> ExitCode:
    """Follow several pods at once, until all of their logs end."""
    lines: queue.Queue[tuple[str, str | KubeError | None]] = queue.Queue()

    def read(name: str) -> None:
        try:
            for line in context.api.log(namespace, name, options):
                lines.put((name, line))
            lines.put((name, None))
        except KubeError as error:
            lines.put((name, error))

    for name in names:
        threading.Thread(target=read, args=(name,), daemon=True).start()
    code, left = ExitCode.OK, len(names)
    while left:
        name, line = lines.get()
        if isinstance(line, str):
            context.terminal.say(f"[{name}] {line}")
            continue
        left -= 1
        if line is not None:
            code = ExitCode.FAILED
            context.terminal.note(f"[{name}] {explain(line)}")
    return code
