"""The part of the operator's settings that manifests depend on."""

from __future__ import annotations

from dataclasses import dataclass

PRIVATE_CIDRS = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "fc00::/7")


@dataclass(frozen=True, slots=True)
class BuildConfig:
    """Same configuration and same object: same manifests, to the byte."""

    bot_image: str
    image_pull_policy: str = "IfNotPresent"
    operator_namespace: str = "tradingbot-system"
    monitoring_namespaces: tuple[str, ...] = ("monitoring",)
    database_ports: tuple[int, ...] = (5432,)
    redis_ports: tuple[int, ...] = (6379,)
    api_server_ports: tuple[int, ...] = (443, 6443)
    api_server_cidrs: tuple[str, ...] = PRIVATE_CIDRS
    """Where the API server may be. Without this bound, port 443 would be open to every exchange."""
