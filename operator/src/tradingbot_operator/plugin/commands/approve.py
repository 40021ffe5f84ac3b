"""`approve`: shows exactly what is approved, then writes an approval in the caller's own name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradingbot_operator.kube.errors import ConflictError, KubeError
from tradingbot_operator.plugin.advice import command
from tradingbot_operator.plugin.errors import ExitCode, PluginError, explain, grant_verb
from tradingbot_operator.plugin.picture import Picture, take
from tradingbot_operator.plugin.risk import ANNOTATION, difference, last_note, note, subject
from tradingbot_operator.plugin.text import parse_span, parse_time, plain, span, stamp
from tradingbot_operator.policy.approval import MAX_VALIDITY, request_command

if TYPE_CHECKING:
    from datetime import datetime

    from tradingbot_operator.plugin.api import Manifest
    from tradingbot_operator.plugin.context import Context

ATTEMPTS: Final = 5
LOOK_SECONDS: Final = 0.5


def run(context: Context) -> ExitCode:
    """Show, ask the person at the terminal, write."""
    args, terminal = context.args, context.terminal
    now = terminal.now()
    expires = _expiry(args.expires, now)
    obj = _settled(context)
    picture = take(obj)
    digest = _digest(picture, args.digest)
    try:
        user = context.api.whoami().username
    except KubeError as error:
        raise explain(error) from None
    _four_eyes(picture, user)
    terminal.note(_what(context, obj, picture, digest))
    until = f"{stamp(expires)} (for {span(expires - now)})"
    terminal.note(f"\nTo be approved by {user}, until {until}. Any change of the above ends it earlier.")
    if terminal.interactive and not args.yes and args.dry_run != "server" and not terminal.agree("Approve this?"):
        terminal.note("Nothing was approved.")
        return ExitCode.FAILED
    _write(context, obj, digest, user, expires)
    if args.dry_run == "server":
        terminal.say(f"{picture.key}: would be approved (server dry run): nothing was changed")
    else:
        terminal.say(f"{picture.key}: approved {digest} until {stamp(expires)}")
    return ExitCode.OK


def _four_eyes(picture: Picture, user: str) -> None:
    """Say at once what the policies, or else the operator, would refuse."""
    requester = picture.approval.requested_by
    if user == requester:
        raise PluginError(
            f"you ({user}) asked for this change, so somebody else must approve it",
            code=ExitCode.FORBIDDEN,
            hint=grant_verb("approve", namespace=picture.namespace),
        )
    if user.startswith("system:"):
        raise PluginError(f"live trading is approved by a person, not by {user}", code=ExitCode.FORBIDDEN)
    if not requester:
        raise PluginError(
            f"{picture.key}: nobody has asked for live trading (spec.requestedBy), so there is nobody to be second to",
            hint=f"Who wants it, writes their own user name:\n  {request_command(picture.namespace, picture.name)}",
        )


def _expiry(text: str, now: datetime) -> datetime:
    moment = parse_time(text) if "T" in text else None
    try:
        expires = moment or now + parse_span(text)
    except (ValueError, OverflowError) as error:
        raise PluginError(str(error), code=ExitCode.USAGE) from None
    if expires <= now:
        raise PluginError("an approval must end in the future", code=ExitCode.USAGE)
    if expires - now > MAX_VALIDITY:
        raise PluginError(f"an approval lasts at most {MAX_VALIDITY.days} days", code=ExitCode.USAGE)
    return expires


def _settled(context: Context) -> Manifest:
    """Return the bot once the operator has seen its present spec: until then the digest is that of an older one."""
    terminal = context.terminal
    deadline = terminal.monotonic() + context.args.timeout
    obj = context.fetch(context.args.name)
    while not take(obj).up_to_date and terminal.monotonic() < deadline:
        terminal.sleep(LOOK_SECONDS)
        obj = context.fetch(context.args.name)
    picture = take(obj)
    if not picture.up_to_date:
        raise PluginError(
            f"{picture.key}: the operator has not seen the present spec yet, so its digest may be that of an older one",
            code=ExitCode.NOT_CONFIRMED,
            hint="Is the operator running?\n  kubectl get deployments -A -l app.kubernetes.io/name=tradingbot-operator",
        )
    return obj


def _digest(picture: Picture, expected: str | None) -> str:
    required = picture.approval.required_digest
    if not required:
        live = "" if picture.asked_mode == "live" else " Its mode is simulation, which needs no approval."
        raise PluginError(
            f"{picture.key}: the operator has published nothing to approve (status.approval.requiredDigest).{live}",
            hint=command("status", picture),
        )
    if expected and expected == picture.approval.newer_digest:
        return expected
    if expected and expected != required:
        raise PluginError(
            f"{picture.key}: what is to be approved is {required}, not {expected}; nothing was approved",
            hint="It is not what you looked at. Look again at what the command shows, without --digest.",
        )
    return required


def _what(context: Context, obj: Manifest, picture: Picture, digest: str) -> str:
    colour = context.terminal.colour
    remembered = last_note(obj)
    before = None if remembered is None else remembered["subject"]
    lines = [f"Live trading of {picture.key}", f"  digest {digest}"]
    if picture.approval.requested_by:
        lines.append(f"  requested by {picture.approval.requested_by}")
    lines.append("")
    if remembered is None:
        lines.append("What is approved (no note of an earlier approval to compare with):")
    else:
        who, at = plain(remembered.get("approvedBy") or "?"), plain(remembered.get("at") or "?")
        lines.append(f"What is approved, compared with the last approval (by {who}, {at}):")
        lines.append("  ~ changed   + new   - gone     The marks come from a note on the object; read the whole list.")
    after = subject(obj)
    lines += difference(before, after, colour=colour)
    if before is not None and before == after:
        lines.append("  Nothing differs from the last approval.")
    if picture.stop is not None:
        lines += ["", f"Emergency stop {picture.stop.id} is latched: an approval does not end it."]
    if picture.asked_mode != "live":
        lines += [
            "",
            "spec.mode is simulation: this only counts once somebody sets it to live, which policies may demand first.",
        ]
    return "\n".join(lines)


def _write(context: Context, obj: Manifest, digest: str, user: str, expires: datetime) -> None:
    """Write the approval only onto the very object that was shown."""
    args = context.args
    name, generation = obj["metadata"]["name"], obj["metadata"].get("generation")
    remembered = note(obj, digest=digest, approved_by=user, at=stamp(context.terminal.now()))
    approval = {"digest": digest, "approvedBy": user, "expiresAt": stamp(expires), "comment": args.comment or None}
    for _ in range(ATTEMPTS):
        change: dict[str, Any] = {
            "metadata": {
                "resourceVersion": obj["metadata"]["resourceVersion"],
                "annotations": {ANNOTATION: remembered},
            },
            "spec": {"approval": approval},
        }
        try:
            context.api.patch(context.namespace, name, change, dry_run=args.dry_run == "server")
        except ConflictError:
            obj = context.fetch(name)
            published = take(obj).approval
            still = digest in {published.required_digest, published.newer_digest}
            if obj["metadata"].get("generation") != generation or not still:
                raise PluginError(
                    "the object was changed while you looked at it; nothing was approved",
                    hint="Look again at what is to be approved:\n  " + command("approve", take(obj)),
                ) from None
        except KubeError as error:
            raise explain(error, namespace=context.namespace, name=name) from None
        else:
            return
    raise PluginError("the object changes too often; nothing was approved. Try again.")
