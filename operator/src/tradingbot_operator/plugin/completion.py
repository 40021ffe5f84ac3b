"""Shell completion: commands and flags from the parser, names from the cluster."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from tradingbot_operator.plugin.parser import build

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_SECONDS: Final = 2.0
# Cobra's protocol, which kubectl speaks with its plugins: one candidate a line, then a directive; 4 is "no files".
DIRECTIVE: Final = ":4\n"

_BASH: Final = """\
_kubectl_tradingbot() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    [[ $line == :* ]] || COMPREPLY+=("${line%%$'\\t'*}")
  done < <(kubectl-tradingbot __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _kubectl_tradingbot kubectl-tradingbot
"""
_ZSH: Final = """\
#compdef kubectl-tradingbot
_kubectl_tradingbot() {
  local -a found
  local line
  while IFS= read -r line; do
    [[ $line == :* ]] || found+=("${line/$'\\t'/:}")
  done < <(kubectl-tradingbot __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'kubectl tradingbot' found
}
compdef _kubectl_tradingbot kubectl-tradingbot
"""
_FISH: Final = """\
function __kubectl_tradingbot
  set -l words (commandline -opc) (commandline -ct)
  kubectl-tradingbot __complete $words[2..-1] 2>/dev/null | string match -v ':*'
end
complete -c kubectl-tradingbot -f -a '(__kubectl_tradingbot)'
"""
_KUBECTL: Final = """\
#!/bin/sh
exec kubectl-tradingbot __complete "$@"
"""
_SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH, "kubectl": _KUBECTL}


def script(shell: str) -> str:
    """Return the completion script of a shell, or kubectl's own completion program."""
    return _SCRIPTS[shell]


def answer(words: Sequence[str]) -> str:
    """Return the candidates for the last word, each with a description where it has one."""
    return "".join(f"{candidate}\n" for candidate in candidates(list(words) or [""])) + DIRECTIVE


def candidates(words: list[str]) -> list[str]:
    """Return what could stand in place of the last word."""
    *before, current = words
    parser = build()
    commands = _commands(parser)
    name = next((word for word in before if word in commands), None)
    chosen = commands[name] if name else parser
    flags = _flags(chosen)
    flag = flags.get(before[-1]) if before else None
    if flag is not None and flag.nargs != 0:
        found = _values(flag, before)
    elif current.startswith("-"):
        found = sorted(f"{text}\t{action.help or ''}" for text, action in flags.items() if text.startswith("--"))
    elif name is None:
        summaries = {choice.dest: choice.help or "" for choice in _choices(parser)}
        found = [f"{command}\t{summaries.get(command, '')}" for command in commands]
    else:
        found = _positional(chosen, before)
    return [candidate for candidate in found if candidate.startswith(current)]


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see above
            return dict(action.choices)
    return {}


def _choices(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - see above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - see above
            return list(action._get_subactions())  # noqa: SLF001 - see above
    return []


def _flags(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {text: action for action in parser._actions for text in action.option_strings}  # noqa: SLF001 - see above


def _values(flag: argparse.Action, before: list[str]) -> list[str]:
    if flag.choices:
        return [str(choice) for choice in flag.choices]
    if flag.dest == "context":
        return _contexts(before)
    if flag.dest == "namespace":
        return sorted({namespace for namespace, _ in _bots([*before[:-1], "-A"])})
    return []


def _positional(parser: argparse.ArgumentParser, before: list[str]) -> list[str]:
    action = next((action for action in parser._actions if not action.option_strings), None)  # noqa: SLF001 - see above
    if action is None:
        return []
    if action.choices:
        return [str(choice) for choice in action.choices]
    given = set(before)
    return sorted(name for _, name in _bots(before) if name not in given)


def _connection(before: list[str]) -> argparse.Namespace:
    """Read what the unfinished command line already says about the cluster."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    for flag in ("-n --namespace", "--context", "--kubeconfig", "--as"):
        parser.add_argument(*flag.split(), dest="as_user" if flag == "--as" else None)
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    known, _ = parser.parse_known_args(before)
    known.request_timeout = TIMEOUT_SECONDS
    return known


def _bots(before: list[str]) -> list[tuple[str, str]]:
    """Return the bots of the namespace. Completion says nothing rather than something wrong."""
    from tradingbot_operator.kube.errors import KubeError
    from tradingbot_operator.plugin.errors import PluginError
    from tradingbot_operator.plugin.main import connect

    try:
        args = _connection(before)
        api = connect(args)
        items, _ = api.bots(None if args.all_namespaces else api.namespace)
    except (KubeError, PluginError, argparse.ArgumentError):
        return []
    return [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items]


def _contexts(before: list[str]) -> list[str]:
    from kubernetes import config as kconfig

    try:
        found, _ = kconfig.list_kube_config_contexts(config_file=_connection(before[:-1]).kubeconfig)  # type: ignore[no-untyped-call]
    except (kconfig.ConfigException, OSError, argparse.ArgumentError):
        return []
    return sorted(context["name"] for context in found)
