"""Object storage, where backups are kept, and what Jobs need to reach it and the database."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from tradingbot_operator.api.markers import Rule, RuleReason, Text, list_map
from tradingbot_operator.api.model import ApiModel
from tradingbot_operator.api.v1alpha1.common import (
    DatabaseUrlReference,
    DataKey,
    LabelText,
    ObjectName,
    SecretKeyReference,
)

_NUMBERS = {"minute": "[0-5]?[0-9]", "hour": "([01]?[0-9]|2[0-3])", "day": "(0?[1-9]|[12][0-9]|3[01])"}
_MONTH = (
    "(0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
)
_WEEKDAY = "([0-6]|SUN|MON|TUE|WED|THU|FRI|SAT|sun|mon|tue|wed|thu|fri|sat)"


def _cron_field(value: str) -> str:
    item = f"([*?]|{value}(-{value})?)(/[1-9][0-9]?)?"
    return f"{item}(,{item})*"


CRON_PATTERN = (
    "^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|"
    + " +".join(_cron_field(value) for value in (*_NUMBERS.values(), _MONTH, _WEEKDAY))
    + ")$"
)
_CRON = re.compile(CRON_PATTERN)
CronSchedule = Annotated[
    str,
    Text(128, min_length=1),
    # No `pattern` keyword: the API server would print all of it before the sentence.
    Rule(
        f"self.matches('{CRON_PATTERN}')",
        "write five fields as in cron: minute 0-59, hour 0-23, day 1-31, month 1-12, day of the week 0-6 (Sunday "
        "is 0), for example 0 */6 * * * for every six hours",
        holds=lambda value: _CRON.fullmatch(value) is not None,
    ),
]
TimeZone = Annotated[
    str,
    Text(
        64,
        r"^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        "write a time zone by its name in the IANA data base, for example Europe/Berlin or Etc/UTC",
    ),
    # Naming the zone to a function that needs it is the one way to have the API server look it up.
    Rule(
        "self != 'Local' && timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
        "no time zone has this name: write one of the IANA data base, for example Europe/Berlin or Etc/UTC",
    ),
]
BackupId = Annotated[
    str,
    Text(
        128,
        r"^[A-Za-z0-9][-A-Za-z0-9._]*$",
        "write the id of a backup as status.recent of its BackupSchedule lists it, for example 20261121T060000Z-4f2a",
    ),
]
KeyPrefix = Annotated[
    str,
    Text(
        512,
        r"^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$",
        "write a path without a slash at its start or end, for example backups or backups/team-a",
    ),
]


class StorageCredentialsReference(SecretKeyReference):
    """The Secret with the account of the object storage."""

    access_key_id_key: DataKey = "access-key-id"
    """Key whose value is the access key's id."""
    secret_access_key_key: DataKey = "secret-access-key"  # noqa: S105 - the name of a key, not a secret
    """Key whose value is the secret access key."""
    session_token_key: DataKey | None = None
    """Key whose value is the session token, for temporary credentials."""


class StorageRole(ApiModel):
    """Account of one of the three roles, so that a Job has no right that it does not need."""

    credentials_secret_ref: StorageCredentialsReference | None = None
    """The Secret with this role's keys. Without it, storage.credentialsSecretRef; without that one too, what the
    ServiceAccount gives."""
    service_account_annotations: Annotated[dict[LabelText, Annotated[str, Text(1024)]], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Annotations of this role's ServiceAccount, for clouds that give rights to a ServiceAccount instead of keys, for
    example eks.amazonaws.com/role-arn."""


class StorageAccess(ApiModel):
    """Accounts by role."""

    writer: StorageRole | None = None
    """Writes backups: may put and list, never delete."""
    reader: StorageRole | None = None
    """Verifies and restores: may get and list."""
    pruner: StorageRole | None = None
    """Applies the retention: may list, get and delete."""


class ConfigMapKeyReference(ApiModel):
    """One key of a ConfigMap in the same namespace."""

    name: ObjectName
    """Name of the ConfigMap, in the namespace of this object."""
    key: DataKey = "ca.crt"
    """Key whose value is the certificate, in PEM form."""


class ChecksumMode(StrEnum):
    """Whether checksums are sent with each part."""

    AUTO = "Auto"
    REQUIRED = "Required"
    OFF = "Off"


class EncryptionType(StrEnum):
    """Who encrypts a backup."""

    NONE = "None"
    STORAGE = "Storage"
    KEY_MANAGEMENT_SERVICE = "KeyManagementService"
    CLIENT = "Client"


class ClientEncryptionReference(SecretKeyReference):
    """The Secret with the key that encrypts backups before they leave the cluster."""

    key: DataKey = "key"
    """Key whose value is 32 random bytes, base64. Keep a copy outside of this cluster: without it no backup can be
    read."""
    key_id: Annotated[str, Text(64, min_length=1)]
    """Name of this key. It is written beside each backup, so that after a change of key the right one is asked for."""


class Encryption(ApiModel):
    """Encryption of backups at rest."""

    type: EncryptionType = EncryptionType.STORAGE
    """Storage: by the storage with its own key (SSE-S3). KeyManagementService: by the storage with the key of kmsKeyId.
    Client: before it leaves the cluster, with the key of clientKeySecretRef. None: for a storage that can do none of
    these."""
    kms_key_id: Annotated[str, Text(2048, min_length=1)] | None = None
    """Id or ARN of the key, for type KeyManagementService."""
    client_key_secret_ref: ClientEncryptionReference | None = None
    """The key, for type Client."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type != 'KeyManagementService' || has(self.kmsKeyId)",
            "type KeyManagementService needs kmsKeyId: add it, or write type: Storage",
            field_path=".kmsKeyId",
            reason=RuleReason.REQUIRED,
            holds=lambda it: it.type is not EncryptionType.KEY_MANAGEMENT_SERVICE or it.kms_key_id is not None,
        ),
        Rule(
            "self.type != 'Client' || has(self.clientKeySecretRef)",
            "type Client needs clientKeySecretRef: add it, or write type: Storage",
            field_path=".clientKeySecretRef",
            reason=RuleReason.REQUIRED,
            holds=lambda it: it.type is not EncryptionType.CLIENT or it.client_key_secret_ref is not None,
        ),
    )


class ObjectLockMode(StrEnum):
    """How firmly the storage refuses to delete."""

    GOVERNANCE = "Governance"
    COMPLIANCE = "Compliance"


class ObjectLock(ApiModel):
    """Backups that nobody can delete for a time, not even their owner. The bucket must be made with object lock."""

    mode: ObjectLockMode = ObjectLockMode.GOVERNANCE
    """Governance can be lifted by accounts with a special right, Compliance by nobody."""
    retain_days: Annotated[int, Field(ge=1, le=36_500)]
    """Days from the backup during which it cannot be deleted."""


class StorageClass(StrEnum):
    """Price and speed of storage, in the names of S3."""

    STANDARD = "STANDARD"
    STANDARD_IA = "STANDARD_IA"
    INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
    GLACIER_IR = "GLACIER_IR"
    GLACIER = "GLACIER"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"


class Transition(ApiModel):
    """A move to cheaper storage after a time."""

    after_days: Annotated[int, Field(ge=1, le=36_500)]
    """Days from the backup."""
    storage_class: StorageClass
    """Where the backup moves to, for example STANDARD_IA after 30 days and GLACIER after 90. A backup in GLACIER or
    DEEP_ARCHIVE takes hours to come back, and cannot be verified meanwhile."""


class Storage(ApiModel):
    """A bucket of an S3 storage."""

    bucket: Annotated[
        str,
        Text(
            63,
            r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
            "write the name of a bucket: 3 to 63 lower-case letters, digits, - and .",
        ),
    ]
    """Name of the bucket. It must exist."""
    prefix: KeyPrefix = "backups"
    """Path in the bucket below which the backups are kept, in folders per namespace, bot and schedule."""
    endpoint: (
        Annotated[
            str,
            Text(
                512, r"^https?://[^\s/?#]+$", "write an address without a path, for example https://s3.example.org:9000"
            ),
        ]
        | None
    ) = None
    """Address of the storage. Without it, Amazon S3 in the region."""
    region: Annotated[str, Text(64, min_length=1)] = "us-east-1"
    """Region of the bucket. Storages other than Amazon's mostly take any."""
    use_path_style: bool = False
    """Whether the bucket is named in the path (https://host/bucket) instead of in the host name. Most storages other
    than Amazon's need true."""
    certificate_authority_ref: ConfigMapKeyReference | None = None
    """The certificate authority of the storage, where the public ones do not know it."""
    credentials_secret_ref: StorageCredentialsReference | None = None
    """The Secret with the account's keys. Without it, the rights of the ServiceAccounts in access are used."""
    access: StorageAccess | None = None
    """Accounts by role, so that what writes backups cannot delete them."""
    checksum: ChecksumMode = ChecksumMode.AUTO
    """Whether a checksum is sent with each part: Auto asks the storage what it can do, Required refuses a storage that
    cannot, Off sends none. The whole backup has its SHA-256 in any case."""
    encryption: Encryption = Encryption()
    """Encryption at rest. The default asks the storage to encrypt with its own key."""
    object_lock: ObjectLock | None = None
    """Backups that nobody can delete for a time."""
    transitions: Annotated[tuple[Transition, ...], Field(max_length=8), list_map("storageClass")] = ()
    """Moves to cheaper storage, as lifecycle rules of the bucket for this prefix. Without any, the bucket's own rules
    are left alone."""


class BackupDatabase(ApiModel):
    """A PostgreSQL database."""

    secret_ref: DatabaseUrlReference
    """The Secret with the database's address and password."""


class Assertion(ApiModel):
    """A question to the restored database whose answer is known."""

    name: Annotated[
        str, Text(63, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "write a name of lower-case letters, digits and -")
    ]
    """Name of the assertion, for the report."""
    query: Annotated[str, Text(4096, min_length=1)]
    """One SQL query that gives one row with one boolean, for example select count(*) > 0 from trades. It runs in a
    transaction that may only read."""
