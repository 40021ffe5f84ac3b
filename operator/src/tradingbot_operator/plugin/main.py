"""Entry point of `kubectl-tradingbot`: reads the command line, runs one command, turns errors into exit codes."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from tradingbot_operator.plugin.errors import ExitCode, PluginError
from tradingbot_operator.plugin.parser import build

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from tradingbot_operator.plugin.api import Api
    from tradingbot_operator.plugin.terminal import Terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["__complete"]:
        from tradingbot_operator.plugin.completion import answer

        sys.stdout.write(answer(given[1:]))
        return ExitCode.OK
    args = build().parse_args(given)
    if args.command == "completion":
        from tradingbot_operator.plugin.completion import script

        sys.stdout.write(script(args.shell))
        return ExitCode.OK

    from tradingbot_operator.plugin.terminal import Terminal

    terminal = Terminal.of_process()
    try:
        return run(args, terminal)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return ExitCode.OK if getattr(args, "watch", False) or getattr(args, "follow", False) else 130
    except BrokenPipeError:
        # Whoever read us has gone. Python would complain once more while it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def run(args: Namespace, terminal: Terminal, api: Api | None = None) -> int:
    """Run a parsed command. Tests give an `api` of their own."""
    from tradingbot_operator.plugin.context import Context

    args.all_namespaces = getattr(args, "all_namespaces", False)
    try:
        context = Context(api if api is not None else connect(args), terminal, args)
        command = import_module(f"tradingbot_operator.plugin.commands.{args.command}")
        return int(command.run(context))
    except PluginError as error:
        terminal.note(f"error: {error}")
        if error.hint:
            terminal.note(error.hint)
        return error.code


def connect(args: Namespace) -> Api:
    """Open the cluster that the command line names. Imports the client, which takes its time."""
    from tradingbot_operator.plugin.api import Connection
    from tradingbot_operator.plugin.cluster import Cluster

    if getattr(args, "as_groups", None) and not getattr(args, "as_user", None):
        raise PluginError("--as-group needs --as", code=ExitCode.USAGE)
    return Cluster.connect(
        Connection(
            kubeconfig=getattr(args, "kubeconfig", None),
            context=getattr(args, "context", None),
            namespace=getattr(args, "namespace", None),
            as_user=getattr(args, "as_user", None),
            as_groups=tuple(getattr(args, "as_groups", None) or ()),
            timeout_seconds=getattr(args, "request_timeout", 30.0),
        )
    )
