"""The operator's own settings, from environment variables with the prefix TBO_. Wrong ones end the start."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tradingbot_operator.desired.config import BuildConfig

Port = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[tuple[Port, ...], NoDecode]


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which and what to write."""


class Settings(BaseSettings):
    """All settings. Lists are comma separated, durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="TBO_", frozen=True, extra="ignore")

    bot_image: Annotated[str, Field(min_length=1)]
    """Image of bots that name none of their own."""
    bot_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    watch_namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    """Namespaces to serve; empty: all."""
    namespace_stops: bool = True
    """Whether the annotation of a Namespace stops all its bots; needs `list, watch` on Namespaces, in the cluster."""
    operator_namespace: str = "tradingbot-system"
    """Where the operator runs: bots let requests from there in."""
    monitoring_namespaces: Annotated[tuple[str, ...], NoDecode] = ("monitoring",)
    """Namespaces whose pods may scrape the bots."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0: no metrics server."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """0: no health server."""
    kubeconfig: str | None = None
    """Without it: KUBECONFIG, else the ServiceAccount of the pod."""
    request_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 30
    bot_poll_seconds: Annotated[float, Field(ge=0, le=3600)] = 15
    """0: bots are not polled."""
    bot_poll_concurrency: Annotated[int, Field(ge=1, le=256)] = 16
    bot_poll_timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 2
    stall_seconds: Annotated[float, Field(ge=5, le=3600)] = 120
    """How long a key may wait or a pass may take before the operator counts as stuck."""
    audit_seconds: Annotated[float, Field(ge=0)] = 3600
    """How often everything is listed again, in case a watch lost a deletion; 0: only after a watch had to list anew."""
    shutdown_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    database_ports: Ports = (5432,)
    redis_ports: Ports = (6379,)
    api_server_ports: Ports = (443, 6443)

    @field_validator(
        "watch_namespaces",
        "monitoring_namespaces",
        "database_ports",
        "redis_ports",
        "api_server_ports",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    def build_config(self) -> BuildConfig:
        """Return the part that the builders need."""
        return BuildConfig(
            bot_image=self.bot_image,
            image_pull_policy=self.bot_image_pull_policy,
            operator_namespace=self.operator_namespace,
            monitoring_namespaces=self.monitoring_namespaces,
            database_ports=self.database_ports,
            redis_ports=self.redis_ports,
            api_server_ports=self.api_server_ports,
        )


def load() -> Settings:
    """Read the environment. Raise SettingsError with one line for each thing that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for entry in error.errors(include_input=False, include_url=False):
            name = "TBO_" + "_".join(str(part) for part in entry["loc"][:1]).upper()
            what = "is required" if entry["type"] == "missing" else entry["msg"]
            lines.append(f"{name}: {what}")
    raise SettingsError("; ".join(sorted(lines)))
