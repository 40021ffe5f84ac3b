"""The command line. argparse, because `--help` and completion have to be there at once."""

from __future__ import annotations

import argparse
import textwrap
from typing import Final

from tradingbot_operator.plugin.errors import EXPLANATIONS

PROGRAM: Final = "kubectl tradingbot"
SHELLS: Final = ("bash", "zsh", "fish", "kubectl")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keep paragraphs and examples as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=110)


def _codes() -> str:
    lines = [f"  {code.value}  {text}" for code, text in EXPLANATIONS.items()]
    return "exit codes:\n" + "\n".join(lines)


def _connection() -> argparse.ArgumentParser:
    """Return the flags that every command takes, before or after its name, named as kubectl names them."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = shared.add_argument_group("which cluster, as whom (as in kubectl)")
    group.add_argument("-n", "--namespace", metavar="NAMESPACE", help="namespace (default: the context's)")
    group.add_argument("--context", metavar="CONTEXT", help="context of the kubeconfig (default: the current one)")
    group.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig (default: $KUBECONFIG, ~/.kube/config)")
    group.add_argument("--as", dest="as_user", metavar="USER", help="act as this user")
    group.add_argument("--as-group", dest="as_groups", metavar="GROUP", action="append", help="and as of this group")
    group.add_argument(
        "--request-timeout", type=_seconds, metavar="SECONDS", help="longest time of one request (default: 30)"
    )
    return shared


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError("write a number of seconds above 0")
    return seconds


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


def build() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    shared = _connection()
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        parents=[shared],
        formatter_class=_Formatter,
        allow_abbrev=False,
        description="Trading bots: what they do, how to stop them at once, and who lets them trade.\n"
        "It reads and writes the TradingBots' spec; what it can do, `kubectl patch` can do.",
        epilog=_codes() + "\n\n`kubectl tradingbot COMMAND --help` says more, with examples.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")

    def add(name: str, summary: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=textwrap.dedent(text).strip() + "\n\n" + _codes(),
            parents=[shared],
            formatter_class=_Formatter,
            allow_abbrev=False,
        )

    _status(add("status", "what bots do, why, and what to do next", _STATUS))
    _stop(add("stop", "stop trading at once, and wait until it is confirmed", _STOP))
    _resume(add("resume", "end an emergency stop, by its id", _RESUME))
    _approve(add("approve", "approve live trading, for a limited time", _APPROVE))
    _logs(add("logs", "what a bot's pods say", _LOGS))
    _positions(add("positions", "what a bot holds, asked of the bot itself", _POSITIONS))
    completion = add("completion", "print shell completion", _COMPLETION)
    completion.add_argument("shell", choices=SHELLS)
    return parser


def _status(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", metavar="NAME", nargs="*", help="bots to show in detail (default: a table of all)")
    _many(command)
    _output(command, "json", "yaml", "wide")
    command.add_argument("-w", "--watch", action="store_true", help="show again on every change, until Ctrl-C")


def _stop(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", metavar="NAME", nargs="*", help="bots to stop")
    command.add_argument("--all", action="store_true", help="every bot of the namespace (with -A: of the cluster)")
    _many(command)
    command.add_argument(
        "--close-positions", action="store_true", help="also close every open position at market prices"
    )
    command.add_argument("--reason", metavar="TEXT", default="", help="why, for those who come later")
    _waiting(command, "until the exchange has confirmed the stop")
    _writing(command, "--all and -l ask on a terminal; this does not")
    _output(command, "json", "yaml")


def _resume(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME")
    command.add_argument("--reason", metavar="TEXT", required=True, help="why it is safe to trade again")
    command.add_argument("--id", metavar="STOP-ID", help="refuse unless this is the stop that is latched")
    _waiting(command, "until the operator has lifted the stop")
    _writing(command, "do not ask on a terminal")
    _output(command, "json", "yaml")


def _approve(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME")
    command.add_argument(
        "--expires", metavar="WHEN", default="24h", help="30m, 24h, 7d, or a time with zone (default: 24h)"
    )
    command.add_argument("--comment", metavar="TEXT", default="", help="what you looked at")
    command.add_argument(
        "--digest", metavar="DIGEST", help="refuse unless this is what is to be approved, or what is newer than it"
    )
    command.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="wait for the operator (default: 10)"
    )
    _writing(command, "do not ask on a terminal")


def _logs(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME")
    command.add_argument("-f", "--follow", action="store_true", help="go on as the bot speaks")
    command.add_argument("--tail", type=_count, metavar="LINES", help="only the last lines")
    command.add_argument("--since", metavar="DURATION", help="only what is younger, for example 10m or 2h")
    command.add_argument("-p", "--previous", action="store_true", help="of the container before its last restart")
    command.add_argument("--timestamps", action="store_true", help="with the time of each line")
    command.add_argument("--pod", metavar="POD", help="only this pod (default: all pods of the bot)")


def _positions(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME")
    _output(command, "json", "yaml")


def _many(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-l", "--selector", metavar="SELECTOR", default="", help="bots with these labels: team=a,tier!=b"
    )
    command.add_argument("-A", "--all-namespaces", action="store_true", help="in all namespaces")


def _output(command: argparse.ArgumentParser, *forms: str) -> None:
    command.add_argument("-o", "--output", choices=forms, default="", help="for machines, or wider")


def _waiting(command: argparse.ArgumentParser, until: str) -> None:
    command.add_argument(
        "--wait", action=argparse.BooleanOptionalAction, default=True, help=f"wait {until} (default: yes)"
    )
    command.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="how long at most (default: 60)"
    )


def _writing(command: argparse.ArgumentParser, yes: str) -> None:
    command.add_argument(
        "--dry-run", choices=("none", "server"), default="none", help="server: let the API server check, change nothing"
    )
    command.add_argument("-y", "--yes", action="store_true", help=yes)


_STATUS = """
    examples:
      kubectl tradingbot status                    all bots of the namespace
      kubectl tradingbot status btc-breakout       one bot: stop, approval, conditions, what to do next
      kubectl tradingbot status -A -l team=a -w    many, on every change
      kubectl tradingbot status btc-breakout -o json
"""
_STOP = """
    A single bot is stopped without a question. The stop is latched: taking the field back, applying an old file or
    restarting anything does not end it. Without --close-positions, positions keep their protective stops.

    examples:
      kubectl tradingbot stop btc-breakout --reason "wrong prices"
      kubectl tradingbot stop btc-breakout --close-positions
      kubectl tradingbot stop --all -A --yes       every bot of the cluster
      kubectl tradingbot stop -l team=a --dry-run=server
"""
_RESUME = """
    Needs the verb resume on tradingbots where the chart's policies are installed. A live bot needs a fresh approval
    as well.

    examples:
      kubectl tradingbot resume btc-breakout --reason "price feed is back"
      kubectl tradingbot resume btc-breakout --id 1f0c2a9b-7 --yes --reason "price feed is back"
"""
_APPROVE = """
    Shows everything that the approval stands for, marked where it differs from the last approval. Needs the verb
    approve on tradingbots where the chart's policies are installed; who asked for the change cannot approve it.

    examples:
      kubectl tradingbot approve btc-breakout --expires 7d --comment "two weeks of simulation"
      kubectl tradingbot approve btc-breakout --digest sha256:… --yes
"""
_LOGS = """
    examples:
      kubectl tradingbot logs btc-breakout -f --tail 100
"""
_POSITIONS = """
    Needs get on services/proxy in the bot's namespace. Without it, `status` shows the number of positions.

    examples:
      kubectl tradingbot positions btc-breakout -o json
"""
_COMPLETION = """
    examples:
      source <(kubectl tradingbot completion bash)
      kubectl tradingbot completion zsh > "${fpath[1]}/_kubectl-tradingbot"
      kubectl tradingbot completion fish | source

    kubectl itself completes plugins by a program kubectl_complete-tradingbot on the PATH:
      kubectl tradingbot completion kubectl > ~/.local/bin/kubectl_complete-tradingbot
      chmod +x ~/.local/bin/kubectl_complete-tradingbot
"""
