"""All children of a TradingBot, in the order in which they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tradingbot_operator.api import names
from tradingbot_operator.desired.access import role, role_binding, service_account
from tradingbot_operator.desired.configfile import config_values, render
from tradingbot_operator.desired.hashing import digest
from tradingbot_operator.desired.kinds import CONFIG_MAP
from tradingbot_operator.desired.naming import BOT_COMPONENT, HASH_ANNOTATION, child_name, labels
from tradingbot_operator.desired.network import job_network_policy, network_policy, pod_disruption_budget, service
from tradingbot_operator.desired.workload import deployment

if TYPE_CHECKING:
    from tradingbot_operator.api.v1alpha1.live import LiveStatus
    from tradingbot_operator.api.v1alpha1.safety import Mode
    from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot
    from tradingbot_operator.desired.config import BuildConfig

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Desired:
    """What is wanted: the manifests, and the name of the present ConfigMap."""

    manifests: tuple[Manifest, ...]
    config_map: str
    config_hash: str = ""
    """SHA-256 of the configuration file, as the bot reports it."""


def owner_reference(name: str, uid: str) -> Manifest:
    """Build the reference that lets the garbage collector remove the children, with the operator or without."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.TRADING_BOT.kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def build(bot: TradingBot, mode: Mode, config: BuildConfig, approval: LiveStatus | None = None) -> Desired:
    """Build the children; `mode` is the one that the bot may trade in, with the approval of live trading."""
    name, namespace = bot.metadata.name, bot.metadata.namespace
    text = render(config_values(bot, mode, approval))
    config_map = f"{child_name(name)}-{digest(text, 10)}"
    named: list[tuple[str, Manifest]] = [
        (child_name(name), service_account()),
        (child_name(name), role(name)),
        (child_name(name), role_binding(name, namespace)),
        (child_name(name), network_policy(bot, mode, config)),
        *([(f"{child_name(name)}-jobs", job_network_policy(bot))] if bot.spec.exchange.credentials_secret_ref else []),
        (child_name(name), pod_disruption_budget(bot, mode)),
        (config_map, config_map_of(text)),
        (child_name(name), service(name)),
        (child_name(name), deployment(bot, mode, config, config_map)),
    ]
    return Desired(
        tuple(complete(bot, child, manifest) for child, manifest in named),
        config_map,
        sha256(text.encode()).hexdigest(),
    )


def without_pods(desired: Desired) -> Desired:
    """Return the same with no pods: the bot is held down until its stop is resumed."""
    *others, last = desired.manifests
    return replace(desired, manifests=(*others, _hashed({**last, "spec": {**last["spec"], "replicas": 0}})))


def scaled_down(live: Manifest) -> Manifest:
    """Return a Deployment as it is, with no pods: where the spec cannot be built from, what ran has to stop anyway."""
    kept = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences", "uid")}
    spec = {**live["spec"], "replicas": 0}
    # Without the hash, so that the next spec that can be built from is applied.
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": kept, "spec": spec}


def config_map_of(text: str) -> Manifest:
    """Build an immutable ConfigMap with the bot's configuration."""
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": "ConfigMap",
        "immutable": True,
        "data": {"config.yaml": text},
    }


def is_of_its_content(config_map: Manifest) -> bool:
    """Return whether a ConfigMap is one that the operator made under this name, or the same as that."""
    text = (config_map.get("data") or {}).get("config.yaml")
    name = str(config_map["metadata"]["name"])
    return config_map.get("immutable") is True and isinstance(text, str) and name.endswith(f"-{digest(text, 10)}")


def complete(bot: TradingBot, name: str, manifest: Manifest, component: str = BOT_COMPONENT) -> Manifest:
    """Add what every child has: name, labels, owner, and the hash of all of it."""
    metadata: Manifest = {
        "name": name,
        "namespace": bot.metadata.namespace,
        "labels": labels(bot.metadata.name, component),
        "ownerReferences": [owner_reference(bot.metadata.name, bot.metadata.uid)],
    }
    whole: Manifest = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}
    whole |= {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind"}}
    return _hashed(whole)


def _hashed(manifest: Manifest) -> Manifest:
    """Add the hash of all the rest."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "annotations"}
    bare = manifest | {"metadata": metadata}
    return manifest | {"metadata": metadata | {"annotations": {HASH_ANNOTATION: digest(bare)}}}
