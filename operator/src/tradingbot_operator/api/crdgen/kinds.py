"""The CustomResourceDefinition of each kind."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from tradingbot_operator.api import names
from tradingbot_operator.api.crdgen.structural import Converter, Schema
from tradingbot_operator.api.markers import VALIDATIONS
from tradingbot_operator.api.v1alpha1 import BackupSchedule, RecoveryJob, TradingBot


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`. `wide` shows it only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    wide: bool = False

    def to_manifest(self) -> dict[str, Any]:
        """Return the entry of additionalPrinterColumns."""
        entry: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            entry["description"] = self.description
        if self.wide:
            entry["priority"] = 1
        return entry


@dataclass(frozen=True, slots=True)
class Kind:
    """What the generator needs to know of a kind beside its model."""

    names: names.ResourceNames
    model: type[BaseModel]
    columns: tuple[Column, ...]
    selectable_fields: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """Name of the generated file."""
        return f"{names.GROUP}_{self.names.plural}.yaml"


def _condition(kind: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{part}'


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")

KINDS: Final = (
    Kind(
        names.TRADING_BOT,
        TradingBot,
        (
            Column("Mode", ".status.mode", description="How it trades now: simulation or live"),
            Column("State", ".status.state", description="What it may do now, the most restrictive of all sources"),
            Column("Ready", _condition("Ready", "status"), description="Whether it trades, or stands by to"),
            Column("Positions", ".status.positions", "integer", "Number of open positions"),
            _AGE,
            Column("Strategy", ".spec.strategy.name", description="Strategy that it runs", wide=True),
            Column("Reason", _condition("Ready", "reason"), description="Why it is ready or not", wide=True),
            Column("Message", _condition("Ready", "message"), description="The same in a sentence", wide=True),
        ),
        (".spec.mode", ".spec.strategy.name", ".spec.environment"),
    ),
    Kind(
        names.BACKUP_SCHEDULE,
        BackupSchedule,
        (
            Column("Schedule", ".spec.schedule", description="When the database is backed up, as in cron"),
            Column("Last-Success", ".status.lastSuccess.time", "date", "When the newest good backup was made"),
            Column("Verified", ".status.lastVerified.time", "date", "When a backup was last read back"),
            Column("Points", ".status.recoveryPoints", "integer", "Number of backups that can be restored"),
            Column("Ready", _condition("Ready", "status"), description="Whether everything is in place for backups"),
            _AGE,
            Column("Reason", _condition("Ready", "reason"), description="Why it is ready or not", wide=True),
            Column("Message", _condition("Ready", "message"), description="The same in a sentence", wide=True),
        ),
        (".spec.botRef.name",),
    ),
    Kind(
        names.RECOVERY_JOB,
        RecoveryJob,
        (
            Column("Backup", ".status.backup.id", description="The backup that is restored"),
            Column("Phase-Reason", _condition("Succeeded", "reason"), description="The step it is at, or how it ended"),
            _AGE,
            Column("Succeeded", _condition("Succeeded", "status"), description="Whether it succeeded", wide=True),
            Column("Message", _condition("Succeeded", "message"), description="The same in a sentence", wide=True),
        ),
        (".spec.backup.scheduleRef.name",),
    ),
)

_STANDARD: Final[dict[str, Schema]] = {
    "apiVersion": {"description": f"Always {names.API_VERSION}.", "type": "string"},
    "kind": {"description": "Kind of the object.", "type": "string"},
    # Named here because a rule points to it; the API server has its own schema of metadata.
    "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
}


def open_api_schema(kind: Kind) -> Schema:
    """Return the structural schema of the whole object."""
    document = kind.model.model_json_schema(by_alias=True, mode="validation")
    converter = Converter(document.get("$defs", {}))
    properties = dict(_STANDARD)
    for part in ("spec", "status"):
        # The status is the operator's; a default there would be a write that nobody made.
        source = {key: value for key, value in document["properties"][part].items() if key != "default"}
        properties[part] = converter.convert(source, part)
    schema: Schema = {
        "description": " ".join(document["description"].split()),
        "type": "object",
        "required": ["spec"],
        "properties": properties,
    }
    if VALIDATIONS in document:
        schema[VALIDATIONS] = document[VALIDATIONS]
    return schema


def custom_resource_definition(kind: Kind) -> dict[str, Any]:
    """Return the CRD of the kind."""
    version: dict[str, Any] = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.to_manifest() for column in kind.columns],
        "selectableFields": [{"jsonPath": path} for path in kind.selectable_fields],
        "schema": {"openAPIV3Schema": open_api_schema(kind)},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.names.crd_name},
        "spec": {
            "group": names.GROUP,
            "names": {
                "categories": [names.CATEGORY],
                "kind": kind.names.kind,
                "listKind": f"{kind.names.kind}List",
                "plural": kind.names.plural,
                "shortNames": [kind.names.short],
                "singular": kind.names.singular,
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }
