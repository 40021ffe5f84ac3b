"""`stop`: asks for an emergency stop and waits until it is latched and the exchange has confirmed it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tradingbot_contract.wording import first_of
from tradingbot_operator.kube.errors import ForbiddenError, KubeError, NotFoundError
from tradingbot_operator.plugin.context import bare
from tradingbot_operator.plugin.errors import ExitCode, PluginError, explain
from tradingbot_operator.plugin.output import dump
from tradingbot_operator.plugin.stopping import StopResult, observe
from tradingbot_operator.plugin.text import MISSING, columns, paint, quantity, wrap

if TYPE_CHECKING:
    from tradingbot_operator.plugin.api import Manifest
    from tradingbot_operator.plugin.context import Context

PARALLEL: Final = 16
LOOK_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.0)
# The operator has this long before the bot is asked as well.
OPERATOR_SECONDS: Final = 2.0


def run(context: Context) -> ExitCode:
    """Stop the bots. Nothing is asked and nothing is looked up before a single stop is sent."""
    targets = _targets(context)
    if targets is None:
        return ExitCode.FAILED
    if not targets:
        context.terminal.note("No TradingBots found: nothing to stop.")
        return ExitCode.NOT_FOUND
    with ThreadPoolExecutor(min(PARALLEL, len(targets))) as pool:
        results = list(pool.map(lambda target: _stop(context, *target), targets))
    _report(context, results)
    codes = {result.exit_code for result in results}
    # Bots that ended differently have this in common: not all of them are confirmed.
    return ExitCode(codes.pop()) if len(codes) == 1 else ExitCode.NOT_CONFIRMED


def _targets(context: Context) -> list[tuple[str, str]] | None:
    """Return namespaces and names; None when a person thinks better of it."""
    args = context.args
    chosen = [bool(args.names), args.all, bool(args.selector)]
    if sum(chosen) == 0:
        raise PluginError("say which: a NAME, --all or -l SELECTOR", code=ExitCode.USAGE)
    if args.names and sum(chosen) > 1:
        raise PluginError("give names, or --all, or a selector: one of them", code=ExitCode.USAGE)
    if args.names:
        if args.all_namespaces:
            raise PluginError("a name belongs to one namespace: leave out -A", code=ExitCode.USAGE)
        return [(context.namespace, bare(name)) for name in dict.fromkeys(args.names)]
    found = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in context.find([], args.selector)]
    if found and context.terminal.interactive and not args.yes and args.dry_run != "server":
        names = first_of([f"{namespace}/{name}" for namespace, name in found], 20)
        closing = " and close all their positions at market prices" if args.close_positions else ""
        context.terminal.note(f"This stops {quantity(len(found), 'bot')}{closing}: {names}")
        if not context.terminal.agree("Stop them?"):
            context.terminal.note("Nothing was stopped.")
            return None
    return found


def _stop(context: Context, namespace: str, name: str) -> StopResult:
    args, terminal = context.args, context.terminal
    deadline = terminal.monotonic() + args.timeout
    dry_run = args.dry_run == "server"
    try:
        obj = _ask(context, namespace, name, deadline, dry_run=dry_run)
    except KubeError as error:
        problem = explain(error, namespace=namespace, name=name)
        message = f"{problem}\n{problem.hint}".strip()
        return StopResult(namespace, name, message=message, exit_code=problem.code)
    if dry_run:
        return StopResult(namespace, name, message="would be asked to stop (server dry run): nothing was changed")
    if not args.wait:
        return StopResult(namespace, name, asked=True, message="asked to stop; not waited for")
    return _wait(context, obj, deadline)


def _ask(context: Context, namespace: str, name: str, deadline: float, *, dry_run: bool) -> Manifest:
    """Write the stop. A request that gets no answer is repeated: it says the same every time."""
    args, terminal = context.args, context.terminal
    stop: dict[str, Any] = {"active": True}
    if args.close_positions:
        stop["closePositions"] = True
    elif not _asks_to_close(context, namespace, name):
        # What an inactive stop of long ago says about positions is not what is asked for now.
        stop["closePositions"] = False
    if args.reason:
        stop["reason"] = args.reason
    while True:
        try:
            return context.api.patch(namespace, name, {"spec": {"emergencyStop": stop}}, dry_run=dry_run)
        except KubeError as error:
            if not error.retryable or terminal.monotonic() >= deadline:
                raise
            terminal.sleep(LOOK_SECONDS[1])


def _asks_to_close(context: Context, namespace: str, name: str) -> bool:
    """Tell whether a stop is active already that closes positions: this one must not weaken it."""
    try:
        asked = (context.api.get(namespace, name).get("spec") or {}).get("emergencyStop") or {}
    except KubeError:
        return False
    return asked.get("active") is True and asked.get("closePositions") is True


def _wait(context: Context, obj: Manifest, deadline: float) -> StopResult:
    """Look until the exchange has confirmed. The bot is asked as well, so that it works without the operator."""
    terminal = context.terminal
    close = context.args.close_positions
    namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
    generation = int(obj["metadata"].get("generation") or 0)
    ask_the_bot_from = terminal.monotonic() + OPERATOR_SECONDS
    result = observe(obj, generation, None, close_positions=close)
    looks = 0
    trouble = ""
    while not result.confirmed and terminal.monotonic() < deadline:
        terminal.sleep(LOOK_SECONDS[min(looks, len(LOOK_SECONDS) - 1)])
        looks += 1
        report: object = None
        try:
            if terminal.monotonic() >= ask_the_bot_from:
                report, trouble = _ask_the_bot(context, namespace, name)
            obj = context.api.get(namespace, name)
        except NotFoundError:
            return replace(result, message="the object was deleted meanwhile", exit_code=ExitCode.NOT_CONFIRMED)
        except KubeError as error:
            trouble = str(error)
            if report is None:
                continue
        found = observe(obj, generation, report, close_positions=close)
        # What was once seen latched stays so.
        result = found if found.latched or not result.latched else result
    if result.confirmed:
        return result
    late = f"{result.message}{f' ({trouble})' if trouble and not result.latched else ''}"
    return replace(result, message=late, exit_code=ExitCode.NOT_CONFIRMED)


def _ask_the_bot(context: Context, namespace: str, name: str) -> tuple[object, str]:
    try:
        return context.api.ask(namespace, name, "/api/v1/status"), ""
    except ForbiddenError:
        return None, "you may not ask the bot itself: that needs get on services/proxy"
    except KubeError as error:
        return None, f"the bot itself does not answer: {error}"


def _report(context: Context, results: list[StopResult]) -> None:
    args, terminal = context.args, context.terminal
    if args.output in {"json", "yaml"}:
        terminal.say(dump({"items": [result.to_json() for result in results]}, args.output))
        return
    if len(results) == 1:
        terminal.say(_sentence(context, results[0]))
        return
    rows = [["BOT", "STOP", "OUTCOME", "MESSAGE"]]
    for result in results:
        first_line, *_ = result.message.split("\n")
        rows.append([result.key, result.stop_id or MISSING, _word(context, result), first_line])
    terminal.say(columns(rows))
    if args.wait and args.dry_run != "server":
        good = sum(result.confirmed for result in results)
        terminal.say(f"\n{good} of {quantity(len(results), 'bot')} confirmed stopped")


def _word(context: Context, result: StopResult) -> str:
    if result.confirmed:
        return paint(result.outcome, "green", on=context.terminal.colour)
    if result.latched:
        return paint(result.outcome or "latched", "yellow", on=context.terminal.colour)
    if not result.asked:
        dry = context.args.dry_run == "server" and not result.exit_code
        return "dry run" if dry else paint("NOT STOPPED", "red", on=context.terminal.colour)
    return paint("not confirmed" if context.args.wait else "asked", "red", on=context.terminal.colour)


def _sentence(context: Context, result: StopResult) -> str:
    colour = context.terminal.colour
    detail = wrap(result.message, indent="  ") if result.message else ""
    if result.confirmed:
        head = paint(f"{result.key} is stopped: {result.outcome}", "green", on=colour)
        end = f"  stop {result.stop_id}, latched (says the {result.seen_by}); only this ends it:\n"
        end += f"    kubectl tradingbot resume {result.name} -n {result.namespace} --reason '…'"
        return "\n".join(part for part in (head, detail, end) if part)
    if result.latched:
        head = paint(f"{result.key}: stop {result.stop_id} is latched, but not confirmed", "yellow", on=colour)
        end = f"  Look again: kubectl tradingbot status {result.name} -n {result.namespace}"
        return "\n".join(part for part in (head, detail, end) if part)
    if not result.exit_code:
        return f"{result.key} {result.message}"
    return (
        paint(f"{result.key}: {'not confirmed' if result.asked else 'NOT STOPPED'}", "red", on=colour) + f"\n{detail}"
    )
