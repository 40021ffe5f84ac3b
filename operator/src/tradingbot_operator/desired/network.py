"""How a bot is reached, what it may reach, and when its pod may be moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tradingbot_operator.api.v1alpha1.safety import Mode
from tradingbot_operator.api.v1alpha1.trading import FeedType
from tradingbot_operator.api.v1alpha1.tradingbot import Profile
from tradingbot_operator.desired.kinds import NETWORK_POLICY, POD_DISRUPTION_BUDGET, SERVICE
from tradingbot_operator.desired.naming import BOT_COMPONENT, COMPONENT_LABEL, HTTP_PORT, JOB_COMPONENTS, selector

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.connections import Notifications
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
    from tradingbot_operator.desired.config import BuildConfig

Manifest = dict[str, Any]
HTTPS_PORT = 443
HTTP_DEFAULT_PORT = 80


def service(bot: str) -> Manifest:
    """Build the Service of page, API and metrics."""
    return {
        "apiVersion": SERVICE.api_version,
        "kind": "Service",
        "spec": {
            "type": "ClusterIP",
            # Not the pods of the bot's Jobs.
            "selector": selector(bot) | {COMPONENT_LABEL: BOT_COMPONENT},
            "ports": [{"name": "http", "port": HTTP_PORT, "protocol": "TCP", "targetPort": "http"}],
        },
    }


def network_policy(bot: TradingBot, mode: Mode, config: BuildConfig) -> Manifest:
    """Build the NetworkPolicy: nothing in or out but what is named here.

    In: the operator's namespace, monitoring, and the bot's own namespace, on the HTTP port. Out: names, database,
    Redis, the API server (the bot watches its own object). The exchange, at the port of `exchange.apiUrl` where that is
    set, only when the bot needs it: a simulation on recorded or synthetic prices cannot reach one even by mistake. With
    `notifications`, the ports of those who are told are open, and HTTPS is the port of most exchanges too.
    """
    spec = bot.spec
    sources: list[Manifest] = [{"podSelector": {}}]
    sources += [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        for name in sorted({config.operator_namespace, *config.monitoring_namespaces})
    ]
    egress: list[Manifest] = [{"ports": [_port(53, "UDP"), _port(53)]}]
    egress.append({"ports": [_port(port) for port in config.database_ports]})
    if spec.redis is not None:
        egress.append({"ports": [_port(port) for port in config.redis_ports]})
    egress.append(
        {
            "ports": [_port(port) for port in config.api_server_ports],
            "to": [{"ipBlock": {"cidr": cidr}} for cidr in config.api_server_cidrs],
        }
    )
    if spec.notifications is not None and (ports := notification_ports(spec.notifications)):
        egress.append({"ports": [_port(port) for port in ports]})
    if mode is Mode.LIVE or spec.simulation.feed.type is FeedType.LIVE:
        egress.append({"ports": [_port(exchange_port(bot.spec.exchange.api_url))]})
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": "NetworkPolicy",
        "spec": {
            "podSelector": {"matchLabels": selector(bot.metadata.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": sources, "ports": [_port(HTTP_PORT)]}],
            "egress": egress,
        },
    }


def notification_ports(notifications: Notifications) -> list[int]:
    """Return the ports of the channels that are on."""
    webs = (notifications.telegram, notifications.slack, notifications.discord)
    ports = [HTTPS_PORT] if any(channel is not None and channel.enabled for channel in webs) else []
    email = notifications.email
    return [*ports, *([email.port] if email is not None and email.enabled else [])]


def job_network_policy(bot: TradingBot) -> Manifest:
    """Build the NetworkPolicy with which the bot's Jobs, and not the bot in simulation, reach the exchange."""
    return {
        "apiVersion": NETWORK_POLICY.api_version,
        "kind": "NetworkPolicy",
        "spec": {
            "podSelector": {
                "matchLabels": selector(bot.metadata.name),
                "matchExpressions": [{"key": COMPONENT_LABEL, "operator": "In", "values": list(JOB_COMPONENTS)}],
            },
            "policyTypes": ["Egress"],
            "egress": [{"ports": [_port(exchange_port(bot.spec.exchange.api_url))]}],
        },
    }


def exchange_port(api_url: str | None) -> int:
    """Return the port at which the exchange is reached."""
    if api_url is None:
        return HTTPS_PORT
    address = urlsplit(api_url)
    return address.port or (HTTPS_PORT if address.scheme == "https" else HTTP_DEFAULT_PORT)


def pod_disruption_budget(bot: TradingBot, mode: Mode) -> Manifest:
    """Build the PodDisruptionBudget.

    A simulation may be moved at any time: its state is in the database. A live bot may not be evicted by a drain while
    it is healthy, since every restart means cancelled entry orders and a time without management of its positions; who
    drains its node stops or moves it deliberately. A live bot that is not healthy manages nothing, so it may go.
    """
    pods = selector(bot.metadata.name) | {COMPONENT_LABEL: BOT_COMPONENT}
    spec: Manifest = {"selector": {"matchLabels": pods}, "maxUnavailable": 1}
    if mode is Mode.LIVE and bot.spec.profile in {Profile.LIVE_TRADING, Profile.HIGH_FREQUENCY}:
        spec |= {"maxUnavailable": 0, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    return {"apiVersion": POD_DISRUPTION_BUDGET.api_version, "kind": "PodDisruptionBudget", "spec": spec}


def _port(port: int, protocol: str = "TCP") -> Manifest:
    return {"port": port, "protocol": protocol}
