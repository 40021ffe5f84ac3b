"""`status` as a person reads it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tradingbot_contract.stops import is_confirmed
from tradingbot_contract.wording import first_of
from tradingbot_operator.plugin.advice import next_steps
from tradingbot_operator.plugin.text import MISSING, age, columns, joined, paint, parse_time, quantity, span, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tradingbot_operator.plugin.picture import ConditionPicture, GatePicture, Picture, StopPicture

_STATE_COLOURS: Final = {
    "ACTIVE": "green",
    "PAUSED": "yellow",
    "REDUCING": "yellow",
    "HALTED": "red",
    "KILLED": "red",
}


def table(pictures: Sequence[Picture], now: datetime, *, namespaces: bool, wide: bool, colour: bool) -> str:
    """Return one line per bot, then what to do about those that need somebody."""
    head = ["NAME", "MODE", "STATE", "READY", "REASON", "POSITIONS", "STOP", "AGE"]
    extra = ["ROLE", "ORDERS", "VERSION", "IMAGE"] if wide else []
    rows = [[*(["NAMESPACE"] if namespaces else []), *head, *extra]]
    for picture in pictures:
        ready = picture.condition("Ready")
        cells = [
            picture.name,
            _mode(picture),
            paint(picture.state or MISSING, _STATE_COLOURS.get(picture.state, "dim"), on=colour),
            _status(ready, colour=colour),
            _why(picture) or MISSING,
            _count(picture.positions),
            paint(picture.stop.id, "red", on=colour) if picture.stop else ("asked" if picture.stop_asked else MISSING),
            age(picture.created, now),
        ]
        if wide:
            cells += [picture.role or MISSING, _count(picture.open_orders), picture.version or MISSING]
            cells.append(picture.image or MISSING)
        rows.append([*([picture.namespace] if namespaces else []), *cells])
    text = columns(rows)
    urgent = [picture for picture in pictures if next_steps(picture, now)]
    if urgent:
        names = first_of([picture.key if namespaces else picture.name for picture in urgent], 10)
        first = urgent[0]
        text += (
            f"\n\n{quantity(len(urgent), 'bot')} waiting for somebody: {names}\n"
            f"  kubectl tradingbot status {first.name} -n {first.namespace}   says what to do"
        )
    return text


def detail(picture: Picture, now: datetime, *, colour: bool) -> str:
    """Return everything about one bot that a person needs to decide what to do."""
    head = paint(f"TradingBot {picture.key}", "bold", on=colour)
    if picture.deleting:
        head += paint("  is being deleted", "yellow", on=colour)
    blocks = [head + "\n" + columns(_facts(picture, now, colour=colour), indent="  ")]
    if picture.stop is not None:
        blocks.append(_stop(picture.stop, now, colour=colour))
    if picture.asked_mode == "live" or picture.approval.given_digest:
        blocks.append(_approval(picture, now, colour=colour))
    if picture.gates:
        blocks.append(_gates(picture.gates, colour=colour))
    blocks.append(_conditions(picture, now, colour=colour))
    steps = next_steps(picture, now)
    if steps:
        lines = [wrap(step, indent="     ", first=f"  {number}. ") for number, step in enumerate(steps, 1)]
        blocks.append(paint("What to do next", "bold", on=colour) + "\n" + "\n".join(lines))
    else:
        blocks.append(paint("Nothing to do.", "dim", on=colour))
    return "\n\n".join(blocks)


def _facts(picture: Picture, now: datetime, *, colour: bool) -> list[list[str]]:
    ready = picture.condition("Ready")
    mode = picture.mode or MISSING
    if picture.mode and picture.asked_mode != picture.mode:
        mode += f" (the spec asks for {picture.asked_mode})"
    state = paint(picture.state or MISSING, _STATE_COLOURS.get(picture.state, "dim"), on=colour)
    orders = f"{picture.open_orders} open" if picture.open_orders is not None else MISSING
    facts = [
        ["Mode", mode],
        ["State", joined([state, picture.role, "" if picture.trading == "Active" else f"trading: {picture.trading}"])],
        ["Ready", joined([_status(ready, colour=colour), ready.reason])],
        ["Positions", f"{_count(picture.positions)} open" if picture.positions is not None else MISSING],
        ["Orders", orders],
        ["Runs", joined([picture.version, picture.image]) or MISSING],
        ["Age", age(picture.created, now)],
    ]
    if not picture.up_to_date:
        facts.append(["Note", paint("the operator has not seen the present spec yet", "yellow", on=colour)])
    return facts


def _stop(stop: StopPicture, now: datetime, *, colour: bool) -> str:
    done = is_confirmed(stop.outcome, close_positions=stop.close_positions)
    outcome = paint(stop.outcome or "not reported yet", "green" if done else "red", on=colour)
    cancelled = "" if stop.orders_cancelled is None else f"{quantity(stop.orders_cancelled, 'order')} cancelled"
    rows = [
        ["Since", f"{stop.since} ({age(stop.since, now)} ago)"],
        ["From", joined([stop.source, stop.reason]) or MISSING],
        ["Positions", "to be closed" if stop.close_positions else "kept, with their protective stops"],
        ["Outcome", joined([outcome, cancelled, stop.outcome_message])],
        *_kill(stop),
        *([what, joined([state, reason])] for what, state, reason in stop.parts),
    ]
    title = paint(f"Emergency stop {stop.id} is latched", "red", on=colour)
    return title + "\n" + columns(rows, indent="  ")


def _kill(stop: StopPicture) -> list[list[str]]:
    rows = []
    if stop.kill_job:
        rows.append(["Kill Job", joined([stop.kill_job, "ended" if stop.kill_finished else "runs", stop.kill_reason])])
    if stop.standing:
        rows.append(["Namespace", "has the annotation tradingbots.dev/emergency-stop: nothing in it can be resumed"])
    return rows


def _approval(picture: Picture, now: datetime, *, colour: bool) -> str:
    approval = picture.approval
    problem = approval.problem(now)
    verdict = paint(f"not valid: {problem}", "yellow", on=colour) if problem else paint("valid", "green", on=colour)
    expires = parse_time(approval.expires_at)
    until = approval.expires_at
    if expires is not None:
        left = f"in {span(expires - now)}" if expires > now else f"{span(now - expires)} ago"
        until = f"{approval.expires_at} ({left})"
    rows = [["Verdict", verdict], ["Required", approval.required_digest or MISSING]]
    if approval.given_digest:
        rows += [["Given", approval.given_digest], ["By", approval.approved_by or MISSING], ["Until", until]]
    if approval.requested_by:
        rows.append(["Requested by", approval.requested_by])
    return paint("Approval of live trading", "bold", on=colour) + "\n" + columns(rows, indent="  ")


def _gates(gates: Sequence[GatePicture], *, colour: bool) -> str:
    shades = {"Open": "green", "Closed": "red"}
    rows = [[gate.name, paint(gate.state, shades.get(gate.state, "yellow"), on=colour), gate.message] for gate in gates]
    return paint("Gates of live trading", "bold", on=colour) + "\n" + columns(rows, indent="  ")


def _conditions(picture: Picture, now: datetime, *, colour: bool) -> str:
    title = paint("Conditions", "bold", on=colour)
    if not picture.conditions:
        return f"{title}\n  none yet"
    rows = []
    for condition in picture.conditions:
        shade = "green" if condition.good else "yellow"
        rows.append(
            [
                condition.type,
                paint(condition.status, shade, on=colour),
                condition.reason or MISSING,
                age(condition.since, now),
                _brief(condition.message, picture.gates),
            ]
        )
    return title + "\n" + columns(rows, indent="  ")


def _brief(message: str, gates: Sequence[GatePicture]) -> str:
    """Leave out what the list of the gates says already."""
    count, found, _ = message.partition(" gates are not open. ")
    if found and gates:
        return f"{count} gates are not open: see above."
    for gate in gates:
        if gate.state != "Open" and gate.message:
            message = message.replace(gate.message, f"See the gate {gate.name} above.")
    return message


def _mode(picture: Picture) -> str:
    if picture.mode and picture.asked_mode != picture.mode:
        return f"{picture.mode} (not {picture.asked_mode})"
    return picture.mode or MISSING


def _status(condition: ConditionPicture, *, colour: bool) -> str:
    shade = {"True": "green", "False": "red"}.get(condition.status, "yellow")
    return paint(condition.status, shade, on=colour)


def _why(picture: Picture) -> str:
    """Return the reason that explains most: why it is held back before how it runs."""
    for kind in ("Degraded", "Suspended"):
        condition = picture.condition(kind)
        if condition.status == "True":
            return condition.reason
    return picture.condition("Ready").reason


def _count(number: int | None) -> str:
    return MISSING if number is None else str(number)
