"""`resume`: ends the stop that is latched, by its id, in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.kube.errors import ConflictError, KubeError, NotFoundError
from tradingbot_operator.plugin.advice import command, next_steps
from tradingbot_operator.plugin.errors import ExitCode, PluginError, explain
from tradingbot_operator.plugin.output import dump
from tradingbot_operator.plugin.picture import Picture, take
from tradingbot_operator.plugin.text import age, columns, joined, wrap

if TYPE_CHECKING:
    from tradingbot_operator.plugin.api import Manifest
    from tradingbot_operator.plugin.context import Context

LOOK_SECONDS: Final = 0.5
ATTEMPTS: Final = 5


def run(context: Context) -> ExitCode:
    """Show the stop, ask the person at the terminal, write, wait until it is lifted."""
    args, terminal = context.args, context.terminal
    obj = context.fetch(args.name)
    picture = take(obj)
    stop_id = _stop_id(picture, args.id)
    terminal.note(_what(context, picture))
    asks = terminal.interactive and not args.yes and args.dry_run != "server"
    if asks and not terminal.agree(f"End stop {stop_id}?"):
        terminal.note("Nothing was changed: the bot stays stopped.")
        return ExitCode.FAILED
    obj = _write(context, obj, stop_id)
    if args.dry_run == "server":
        terminal.say(f"{picture.key}: would be resumed (server dry run): nothing was changed")
        return ExitCode.OK
    if not args.wait:
        terminal.say(f"{picture.key}: asked to resume from stop {stop_id}; not waited for")
        return ExitCode.OK
    return _wait(context, obj, stop_id)


def _stop_id(picture: Picture, expected: str | None) -> str:
    if picture.stop is None:
        asked = "A stop was asked for, but the operator has not latched it yet. " if picture.stop_asked else ""
        raise PluginError(
            f"{picture.key}: {asked}no stop is latched, so there is nothing to resume from",
            hint=command("status", picture),
        )
    if expected and expected != picture.stop.id:
        raise PluginError(
            f"{picture.key}: the stop that is latched is {picture.stop.id}, not {expected}; nothing was changed",
            hint="It is another stop than the one you looked at. Look again:\n  " + command("status", picture),
        )
    return picture.stop.id


def _what(context: Context, picture: Picture) -> str:
    stop = picture.stop
    if stop is None:
        return ""
    now = context.terminal.now()
    rows = [
        ["Stop", stop.id],
        ["Since", f"{stop.since} ({age(stop.since, now)} ago)"],
        ["From", joined([stop.source, stop.reason])],
        ["Outcome", joined([stop.outcome or "not reported", stop.outcome_message])],
        ["Positions", "unknown" if picture.positions is None else f"{picture.positions} open"],
        ["Then", _afterwards(picture)],
    ]
    return f"Resuming {picture.key}\n" + columns(rows, indent="  ")


def _afterwards(picture: Picture) -> str:
    if picture.asked_mode == "live":
        until = "only closes positions" if picture.mode == "live" else "simulates"
        return f"it may trade live only with a fresh approval; until then it {until}"
    held = "" if picture.trading == "Active" else f", held back by trading: {picture.trading}"
    return f"it trades again in simulation{held}"


def _write(context: Context, obj: Manifest, stop_id: str) -> Manifest:
    """Write resume and clear the stop in one go, only onto the very object that was shown."""
    args = context.args
    dry_run = args.dry_run == "server"
    generation = obj["metadata"].get("generation")
    for _ in range(ATTEMPTS):
        change: dict[str, Any] = {
            "metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]},
            "spec": {"emergencyStop": None, "resume": {"stopId": stop_id, "reason": args.reason}},
        }
        try:
            return context.api.patch(context.namespace, obj["metadata"]["name"], change, dry_run=dry_run)
        except ConflictError:
            obj = context.fetch(obj["metadata"]["name"])
            stop = take(obj).stop
            if obj["metadata"].get("generation") != generation or stop is None or stop.id != stop_id:
                raise PluginError(
                    "the object was changed while you looked at it; nothing was resumed",
                    hint="Look again:\n  " + command("status", take(obj)),
                ) from None
        except KubeError as error:
            raise explain(error, namespace=context.namespace, name=args.name) from None
    raise PluginError("the object changes too often; nothing was resumed. Try again.")


def _wait(context: Context, obj: Manifest, stop_id: str) -> ExitCode:
    terminal, args = context.terminal, context.args
    deadline = terminal.monotonic() + args.timeout
    generation = int(obj["metadata"].get("generation") or 0)
    name = obj["metadata"]["name"]
    while True:
        picture = take(obj)
        observed = (obj.get("status") or {}).get("observedGeneration") or 0
        if picture.stop is None or picture.stop.id != stop_id:
            return _lifted(context, picture)
        suspended = picture.condition("Suspended")
        if observed >= generation and suspended.reason == Reason.RESUME_REFUSED.value:
            raise PluginError(f"{picture.key}: the operator refuses: {suspended.message}", code=ExitCode.FORBIDDEN)
        if terminal.monotonic() >= deadline:
            terminal.note(f"{picture.key}: the stop is still latched after {args.timeout:g} s: {suspended.message}")
            terminal.note(f"Look again: {command('status', picture)}")
            return ExitCode.NOT_CONFIRMED
        terminal.sleep(LOOK_SECONDS)
        try:
            obj = context.api.get(context.namespace, name)
        except NotFoundError as error:
            raise explain(error, namespace=context.namespace, name=name) from None
        except KubeError:
            continue


def _lifted(context: Context, picture: Picture) -> ExitCode:
    terminal = context.terminal
    if picture.stop is not None:
        terminal.note(f"{picture.key}: the stop is lifted, but another one, {picture.stop.id}, is latched now.")
        return ExitCode.NOT_CONFIRMED
    if context.args.output in {"json", "yaml"}:
        terminal.say(dump(picture.to_json(), context.args.output))
        return ExitCode.OK
    terminal.say(f"{picture.key}: the stop is lifted")
    for step in next_steps(picture, terminal.now()):
        terminal.say(wrap(step, indent="  "))
    return ExitCode.OK
