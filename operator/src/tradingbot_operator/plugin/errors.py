"""How a command can end: exit codes, and errors that say what is wrong and what to do."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from tradingbot_operator.kube.errors import ConflictError, ForbiddenError, InvalidError, KubeError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What scripts rely on; documented in `--help`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_CONFIRMED = 4
    FORBIDDEN = 5


EXPLANATIONS: Final = {
    ExitCode.OK: "done, and confirmed where the command waits",
    ExitCode.FAILED: "it failed; the message says why",
    ExitCode.USAGE: "the command line makes no sense",
    ExitCode.NOT_FOUND: "no such bot",
    ExitCode.NOT_CONFIRMED: "not confirmed in time, for at least one bot: look again with `status`",
    ExitCode.FORBIDDEN: "you may not do this; the message says what is missing and how to grant it",
}


class PluginError(Exception):
    """A command cannot go on. `hint` is what to do."""

    def __init__(self, message: str, *, code: ExitCode = ExitCode.FAILED, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


_CANNOT: Final = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?'
)
_POLICY: Final = re.compile(
    r"ValidatingAdmissionPolicy '(?P<policy>[^']+)'.*?denied request: (?P<sentence>.*)", re.DOTALL
)
_VERB: Final = re.compile(r"\bverb [`'\"]?(?P<verb>approve|resume)\b")


def explain(error: KubeError, *, namespace: str = "", name: str = "") -> PluginError:
    """Turn a refusal of the API server into a sentence and what to do about it."""
    text = str(error)
    policy = _POLICY.search(text)
    if policy is not None:
        return _refused(policy["policy"], policy["sentence"].strip(), namespace)
    if isinstance(error, ForbiddenError):
        return _forbidden(error, text)
    if isinstance(error, NotFoundError):
        return _not_found(text, namespace, name)
    if isinstance(error, ConflictError):
        return PluginError(
            f"the object changed meanwhile: {text}",
            hint="Look at it again with `kubectl tradingbot status`, then repeat.",
        )
    if isinstance(error, InvalidError):
        return PluginError(f"the API server refuses this: {text}")
    return PluginError(text, hint="Nothing is known to have been changed. Repeat when the API server answers.")


def _refused(policy: str, sentence: str, namespace: str) -> PluginError:
    """Say what a policy says, whatever the code of its answer: 403 for a right, 422 for what the object may not be."""
    verb = _VERB.search(sentence)
    return PluginError(
        f"refused by the policy {policy}: {sentence}",
        code=ExitCode.FORBIDDEN,
        hint=grant_verb(verb["verb"], namespace=namespace or "NAMESPACE") if verb else "",
    )


def _forbidden(error: ForbiddenError, text: str) -> PluginError:
    if error.code == 401:
        return PluginError(
            "the API server does not know you (401)",
            code=ExitCode.FORBIDDEN,
            hint="Log in again, or choose another user with --context or --kubeconfig.",
        )
    cannot = _CANNOT.search(text)
    if cannot is None:
        return PluginError(text, code=ExitCode.FORBIDDEN)
    group = f".{cannot['group']}" if cannot["group"] else ""
    resource, _, subresource = cannot["resource"].partition("/")
    full = f"{resource}{group}" + (f"/{subresource}" if subresource else "")
    where = f"in namespace {cannot['namespace']}" if cannot["namespace"] else "in all namespaces"
    return PluginError(
        f"forbidden: {cannot['user']} may not {cannot['verb']} {full} {where}",
        code=ExitCode.FORBIDDEN,
        hint=grant([cannot["verb"]], full, user=cannot["user"], namespace=cannot["namespace"] or ""),
    )


def grant(verbs: Iterable[str], resource: str, *, user: str = "USER", namespace: str = "") -> str:
    """Return what somebody who administers the namespace would run."""
    verb = ",".join(verbs)
    role = f"tradingbot-{verb.replace(',', '-')}"
    scope = f" -n {namespace}" if namespace else " -n NAMESPACE"
    binding = "role"
    if not namespace and user != "USER":
        scope, binding = "", "clusterrole"
    subject = _subject(user)
    return (
        f"Who administers {'the namespace' if binding == 'role' else 'the cluster'} can grant it:\n"
        f"  kubectl create {binding} {role} --verb={verb} --resource={resource}{scope}\n"
        f"  kubectl create {binding}binding {role} --{binding}={role} {subject}{scope}"
    )


def grant_verb(verb: str, *, user: str = "USER", namespace: str = "NAMESPACE") -> str:
    """Return how somebody gets one of the verbs of this project, by the chart's roles."""
    role = {"approve": "tradingbot-approver", "resume": "tradingbot-resumer"}[verb]
    return (
        "Who administers the namespace can make somebody one who may:\n"
        f"  kubectl create rolebinding {role} --clusterrole={role} {_subject(user)} -n {namespace}"
    )


def _subject(user: str) -> str:
    parts = user.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        return f"--serviceaccount={parts[2]}:{parts[3]}"
    return f"--user={user}"


def _not_found(text: str, namespace: str, name: str) -> PluginError:
    if "could not find the requested resource" in text or "404 page not found" in text:
        return PluginError(
            "this cluster does not know TradingBots",
            code=ExitCode.NOT_FOUND,
            hint="Install the operator's chart, or choose another cluster with --context.",
        )
    what = f"TradingBot {name} in namespace {namespace}" if name else text
    return PluginError(
        f"not found: {what}",
        code=ExitCode.NOT_FOUND,
        hint="`kubectl tradingbot status -A` lists all bots that you may see.",
    )
