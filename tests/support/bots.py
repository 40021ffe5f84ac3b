"""A TradingBot on a real cluster as a test sees it: what kubectl, its API and its database say."""

from __future__ import annotations

import base64
import copy
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml
from tests.support.waiting import PATIENCE_SECONDS, eventually

from tradingbot_cluster.demo import demo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot_cluster.demo.tools import Tools

NAMESPACE = "trading"


class Database:
    """The demo's PostgreSQL, asked by psql in its own pod; the password travels on standard input."""

    def __init__(self, tools: Tools, namespace: str = NAMESPACE, secret: str = "trading-database") -> None:
        self.tools = tools
        self.namespace = namespace
        found = tools.get("secret", secret, "--namespace", namespace)
        self.url = base64.b64decode(found["data"]["url"]).decode()

    @property
    def password(self) -> str:
        password = urlsplit(self.url).password
        assert password
        return password

    def rows(self, query: str) -> list[list[str]]:
        """The rows of a query, every value as text."""
        url = urlsplit(self.url)
        script = (
            f"read -r PGPASSWORD; export PGPASSWORD; exec psql --no-psqlrc -v ON_ERROR_STOP=1 -h 127.0.0.1 "
            f"-U {url.username} -d {url.path.lstrip('/')} -At -F '\t' -f -"
        )
        printed = self.tools.kubectl(
            "exec", "--stdin", "--namespace", self.namespace, "statefulset/tradingbot-postgresql", "--",
            "sh", "-c", script, stdin=f"{self.password}\n{query};\n",
        )  # fmt: skip
        return [line.split("\t") for line in printed.splitlines()]

    def value(self, query: str) -> str:
        """The one value of a query."""
        rows = self.rows(query)
        assert len(rows) == 1, rows
        assert len(rows[0]) == 1, rows
        return rows[0][0]


class Bot:
    """One TradingBot."""

    def __init__(self, tools: Tools, namespace: str, name: str) -> None:
        self.tools = tools
        self.namespace = namespace
        self.name = name
        self.key = f"{namespace}/{name}"
        """How the database names it."""
        self.children = f"tradingbot-{name}"
        self.selector = f"tradingbots.dev/bot={name}"

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE_SECONDS) -> str:
        return self.tools.kubectl("--namespace", self.namespace, *arguments, stdin=stdin, timeout=timeout)

    def object(self) -> dict[str, Any]:
        return self.tools.get("tradingbot", self.name, "--namespace", self.namespace)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.object().get("status", {})
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        found = [each for each in self.status().get("conditions", []) if each["type"] == kind]
        return found[0] if found else {"type": kind, "status": "Unknown", "reason": "", "message": ""}

    def wait_for_condition(
        self, kind: str, status: str, reason: str | None = None, *, seconds: float = 2 * PATIENCE_SECONDS
    ) -> dict[str, Any]:
        return eventually(
            lambda: self.condition(kind),
            holds=lambda seen: seen["status"] == status and reason in {None, seen["reason"]},
            what=f"{self.name}: {kind}={status} {reason or ''}",
            seconds=seconds,
        )

    def patch(self, spec: Mapping[str, Any]) -> None:
        self.kubectl("patch", "tbot", self.name, "--type", "merge", "-p", json.dumps({"spec": spec}))

    def api(self, path: str) -> Any:
        """What the bot answers to a GET, as JSON."""
        return json.loads(self.tools.through_service(self.namespace, self.children, path))

    def pods(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.tools.get(
            "pods", "--namespace", self.namespace, "--selector", self.selector
        )["items"]
        return items

    def running_pods(self) -> list[str]:
        """Names of the pods that are ready and not on their way out."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods()
            if "deletionTimestamp" not in pod["metadata"]
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]


def the_example() -> dict[str, Any]:
    """Return the TradingBot that the README tells people to apply."""
    path = demo.ROOT / "examples" / "tradingbot.yaml"
    (found,) = (each for each in yaml.safe_load_all(path.read_text()) if each and each["kind"] == "TradingBot")
    return dict(found)


class Bots:
    """The TradingBots that one test makes."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self._made: list[Bot] = []

    def apply(self, example: Mapping[str, Any], name: str, *, user: str | None = None, **spec: Any) -> Bot:
        """Apply the example as `user` under a new name that begins with `name`, with other fields of the spec.

        The name is new each time: a stop outlives its object, so a name that was stopped once stays stopped.
        """
        manifest = copy.deepcopy(dict(example))
        name = f"{name}-{secrets.token_hex(3)}"
        manifest["metadata"] = {"name": name, "namespace": NAMESPACE}
        manifest["spec"] = {**manifest["spec"], **spec}
        bot = Bot(self.tools, NAMESPACE, name)
        self._made.append(bot)
        bot.kubectl(*(("--as", user) if user else ()), "apply", "-f", "-", stdin=json.dumps(manifest))
        return bot

    def close(self) -> None:
        for bot in self._made:
            bot.kubectl("delete", "tbot", bot.name, "--ignore-not-found", "--wait=true", timeout=2 * PATIENCE_SECONDS)
