"""What somebody could do who gets further than a TradingBot: a shell in a pod, a second Deployment, a database role."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from tests.support.bots import NAMESPACE, Database
from tests.support.live import LOOK_SECONDS
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.bots import Bot

    from tradingbot_cluster.demo.tools import Tools

REACH = """
import json, os, ssl, sys, urllib.error, urllib.request
def ask(method, path, body=None):
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    headers = {"Authorization": "Bearer " + open(folder + "/token").read(), "Content-Type": "application/json"}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    server = "https://%s:%s" % (os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"])
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, method=method, data=data, headers=headers)
    trust = ssl.create_default_context(cafile=folder + "/ca.crt")
    try:
        return urllib.request.urlopen(request, context=trust, timeout=60).status
    except urllib.error.HTTPError as refused:
        return refused.code
def writes(path):
    try:
        open(path, "w").close()
        os.remove(path)
        return True
    except OSError:
        return False
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
json.dump({
    "process": {name: status[name].split()[0] for name in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")},
    "writes": [path for path in json.loads(sys.argv[1]) if writes(path)],
    "asks": [ask(*request) for request in json.loads(sys.argv[2])],
}, sys.stdout)
"""


def execute(bot: Bot, pod: str, *command: str) -> str:
    """Run a command in the bot's container."""
    return bot.kubectl("exec", pod, "--container", "bot", "--", *command)


def reach(bot: Bot, pod: str, *, files: list[str], requests: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return who a shell in the pod is, which of the files it can write, and what the API server answers its token."""
    printed = execute(bot, pod, "python3", "-c", REACH, json.dumps(files), json.dumps(requests))
    found: dict[str, Any] = json.loads(printed)
    return found


def environment(bot: Bot, pod: str) -> dict[str, str]:
    """Return the environment of the bot's process itself, not that of the shell."""
    variables = execute(bot, pod, "cat", "/proc/1/environ").split("\0")
    return dict(variable.split("=", 1) for variable in variables if variable)


@contextmanager
def second_deployment(bot: Bot) -> Iterator[dict[str, Any]]:
    """Run a pod of another Deployment with the bot's own template, by itself ready and healthy; yield that pod."""
    name = f"{bot.children}-double"
    template = bot.tools.get("deployment", bot.children, "--namespace", bot.namespace)["spec"]["template"]
    labels = template["metadata"]["labels"] | {"double": name}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": bot.namespace},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"double": name}},
            "template": template | {"metadata": {"labels": labels}},
        },
    }
    bot.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    try:
        bot.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=130)
        (pod,) = bot.tools.get("pods", "--namespace", bot.namespace, "--selector", f"double={name}")["items"]
        yield pod
    finally:
        bot.kubectl("delete", "deployment", name, "--ignore-not-found", "--wait=true")
        eventually(
            lambda: bot.kubectl("get", "pods", "--selector", f"double={name}", "-o", "name").split(),
            holds=lambda left: left == [],
            what="the second Deployment's pods are gone",
            every=LOOK_SECONDS,
        )


class Role:
    """A database role of one bot, at first with all that the demo's role may."""

    def __init__(self, tools: Tools) -> None:
        self.database = Database(tools)
        self.name = f"bot_{secrets.token_hex(4)}"
        self.secret = self.name.replace("_", "-")

    def administer(self, *statements: str) -> str:
        """Run statements as the owner of the database server."""
        folder = "/var/run/postgresql"
        return self.database.tools.kubectl(
            "exec", "--stdin", "--namespace", NAMESPACE, "statefulset/tradingbot-postgresql", "--",
            "psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-h", folder, "-U", "postgres",
            "-d", urlsplit(self.database.url).path.lstrip("/"), "-At", "-f", "-",
            stdin="".join(f"{statement};\n" for statement in statements),
        )  # fmt: skip

    def only_live(self) -> None:
        """Take away everything but the live tables, and the list of migrations to read."""
        url = urlsplit(self.database.url)
        self.administer(
            f"REVOKE {url.username} FROM {self.name}",
            f"GRANT CONNECT ON DATABASE {url.path.lstrip('/')} TO {self.name}",
            f"GRANT USAGE ON SCHEMA live, tradingbot TO {self.name}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA live TO {self.name}",
            f"GRANT SELECT ON tradingbot.migrations TO {self.name}",
        )

    def may_read(self, table: str) -> bool:
        """Return whether the role may read a table."""
        schema = table.partition(".")[0]
        rights = (
            f"has_schema_privilege('{self.name}', '{schema}', 'USAGE') "
            f"AND has_table_privilege('{self.name}', '{table}', 'SELECT')"
        )
        return self.administer(f"SELECT {rights}").strip() == "t"


@contextmanager
def database_role(tools: Tools) -> Iterator[Role]:
    """Make a role and a Secret with its address; in the end both are gone."""
    role, password = Role(tools), secrets.token_hex(16)
    url = urlsplit(role.database.url)
    address = urlunsplit(url._replace(netloc=f"{role.name}:{password}@{url.hostname}:{url.port or 5432}"))
    role.administer(f"CREATE ROLE {role.name} LOGIN PASSWORD '{password}' IN ROLE {url.username}")
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": role.secret}, "stringData": {"url": address},
    }  # fmt: skip
    try:
        tools.kubectl("--namespace", NAMESPACE, "create", "-f", "-", stdin=json.dumps(secret))
        yield role
    finally:
        tools.kubectl("--namespace", NAMESPACE, "delete", "secret", role.secret, "--ignore-not-found")
        role.administer(f"DROP OWNED BY {role.name}", f"DROP ROLE {role.name}")
