"""RecoveryJob: one restore of one backup, carried out once."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tradingbot_operator.api.markers import Rule, RuleReason, Text, list_map, list_type
from tradingbot_operator.api.model import ApiModel, ObjectMeta, StatusModel, Timestamp
from tradingbot_operator.api.names import RECOVERY_JOB, RECOVERY_JOB_NAME_MAX
from tradingbot_operator.api.v1alpha1.common import (
    Conditions,
    ImageReference,
    LocalReference,
    ObservedGeneration,
    ResourceRequirements,
    Scheduling,
    name_rule,
)
from tradingbot_operator.api.v1alpha1.storage import Assertion, BackupDatabase, BackupId, KeyPrefix, Storage

DatabaseName = Annotated[
    str,
    Text(63, r"^[a-z_][a-z0-9_]*$", "write the name of a database: lower-case letters, digits and _, no digit first"),
]
TableName = Annotated[
    str, Text(127, r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$", "write a table as name or schema.name, in lower case")
]


class BackupSelection(StrEnum):
    """Which backup is taken."""

    LATEST_VERIFIED = "LatestVerified"
    LATEST = "Latest"
    ID = "Id"
    POINT_IN_TIME = "PointInTime"


class ExternalSource(ApiModel):
    """Backups of a schedule that does not exist here (any more), for example after the loss of a cluster."""

    storage: Storage
    """The storage that has them."""
    path: KeyPrefix
    """Folder of the lost schedule's backups below storage.prefix: namespace/bot/schedule's uid."""


class BackupSource(ApiModel):
    """Which backup is restored: whose (scheduleRef or external) and which of them (select)."""

    schedule_ref: LocalReference | None = None
    """The BackupSchedule that made it."""
    external: ExternalSource | None = None
    """Backups of a schedule that does not exist here."""
    select: BackupSelection = BackupSelection.LATEST_VERIFIED
    """LatestVerified takes the newest that was read back. Latest takes the newest. Id takes that of id. PointInTime
    takes the newest whose snapshot is not after time."""
    id: BackupId | None = None
    """Id of the backup, for select: Id. status.recent of the BackupSchedule lists them."""
    time: Timestamp | None = None
    """Latest moment of the snapshot, for select: PointInTime, with time zone, for example 2026-11-21T09:00:00Z."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.scheduleRef) != has(self.external)",
            "say whose backup it is: write either scheduleRef with the name of a BackupSchedule, or external",
            holds=lambda it: (it.schedule_ref is None) != (it.external is None),
        ),
        Rule(
            "(self.select == 'Id') == has(self.id)",
            "id and select: Id belong together: write both or neither",
            field_path=".id",
            holds=lambda it: (it.select is BackupSelection.ID) == (it.id is not None),
        ),
        Rule(
            "(self.select == 'PointInTime') == has(self.time)",
            "time and select: PointInTime belong together: write both or neither",
            field_path=".time",
            holds=lambda it: (it.select is BackupSelection.POINT_IN_TIME) == (it.time is not None),
        ),
    )


class RecoveryStrategy(StrEnum):
    """Where the restored data ends up."""

    NEW_DATABASE = "NewDatabase"
    SWAP = "Swap"


class RecoveryVerification(ApiModel):
    """What must be true of the restored data. With strategy Swap nothing is swapped before it is."""

    tables: Annotated[tuple[TableName, ...], Field(max_length=200), list_type("set")] = ("orders", "trades")
    """Tables that must exist."""
    row_counts: bool = True
    """Whether the rows of each table must be as many as in the snapshot of the backup."""
    recent_trades_within_seconds: Annotated[int, Field(ge=60, le=315_360_000)] | None = None
    """Largest time between the newest trade and the backup's snapshot. Without it, old trades are not a failure."""
    assertions: Annotated[tuple[Assertion, ...], Field(max_length=50), list_map("name")] = ()
    """Questions to the restored database that must all be answered with true."""


class SafetyBackup(ApiModel):
    """The backup of the present data before a swap."""

    skip: bool = False
    """Whether to go without it, for example because the present data is lost."""
    reason: Annotated[str, Text(1024, min_length=1)] | None = None
    """Why it is skipped. Required with skip."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!self.skip || has(self.reason)",
            "skip needs a reason: add reason with why the present data need not be saved, or remove skip",
            field_path=".reason",
            reason=RuleReason.REQUIRED,
            holds=lambda it: not it.skip or it.reason is not None,
        ),
    )


class RecoveryJobSpec(ApiModel):
    """What is restored and where to. It cannot be changed: another restore is another RecoveryJob."""

    backup: BackupSource
    database: BackupDatabase
    """The database that the backup is restored for. Its server takes the restored data; the database itself is only
    replaced with strategy Swap."""
    strategy: RecoveryStrategy = RecoveryStrategy.NEW_DATABASE
    """NewDatabase restores into a new database beside the present one, and leaves that alone. Swap does the same,
    verifies it, then gives the new one the present one's name; the present one is kept under another."""
    database_name: DatabaseName | None = None
    """Name of the new database, for strategy NewDatabase. Without it, the present name with _r_ and an id."""
    confirm: (
        Annotated[
            str,
            Text(
                256,
                r"^[a-z0-9][-a-z0-9]*/[a-z0-9][-a-z0-9.]*/[A-Za-z0-9_$-]+$",
                "write namespace/bot/database, for example trading/btc-breakout/tradingbot",
            ),
        ]
        | None
    ) = None
    """What is replaced, as namespace/bot/database, for example trading/btc-breakout/tradingbot. Required for strategy
    Swap, and compared with what is found, so that a file copied from elsewhere replaces nothing. Where no bot uses the
    database, the name of the RecoveryJob stands for the bot's."""
    bot_refs: Annotated[tuple[LocalReference, ...], Field(max_length=50), list_map("name")] = ()
    """TradingBots that are held during the restore, beside all those of this namespace that name the same Secret as
    their database."""
    verify: RecoveryVerification = RecoveryVerification()
    safety_backup: SafetyBackup = SafetyBackup()
    """The backup of the present data before a swap."""
    keep_previous_seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 604_800
    """Seconds for which the previous database is kept after a swap, under another name. Default: 7 days."""
    dry_run: bool = False
    """Set to true to check backup, target, versions and rights, and restore nothing."""
    active_deadline_seconds: Annotated[int, Field(ge=60, le=604_800)] = 21_600
    """Seconds after which the restore is ended and counts as failed. Default: 6 hours. Bots and schedules are released
    in any case."""
    image: ImageReference | None = None
    """Image of the Jobs. Without it, the operator's own."""
    resources: ResourceRequirements | None = None
    """CPU and memory of the Jobs. Without it, 100m to 1 CPU and 256Mi to 512Mi of memory."""
    scheduling: Scheduling | None = None
    """Which nodes the Jobs may run on."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self == oldSelf",
            "a RecoveryJob is carried out once and cannot be changed: create another one with another name",
            reason=RuleReason.FORBIDDEN,
        ),
        Rule(
            "self.strategy != 'Swap' || self.dryRun || has(self.confirm)",
            "strategy Swap replaces a database: name it in confirm as namespace/bot/database, or write "
            "strategy: NewDatabase",
            field_path=".confirm",
            reason=RuleReason.REQUIRED,
            holds=lambda it: it.strategy is not RecoveryStrategy.SWAP or it.dry_run or it.confirm is not None,
        ),
        Rule(
            "self.strategy != 'Swap' || !has(self.databaseName)",
            "databaseName is for strategy NewDatabase; a swap keeps the present name: remove databaseName",
            field_path=".databaseName",
            holds=lambda it: it.strategy is not RecoveryStrategy.SWAP or it.database_name is None,
        ),
    )


class RecoveryStepName(StrEnum):
    """The steps of a restore, in their order."""

    VALIDATING = "Validating"
    FENCING = "Fencing"
    SAFETY_DUMP = "SafetyDump"
    RESTORING = "Restoring"
    VERIFYING = "Verifying"
    SWAPPING = "Swapping"
    UNFENCING = "Unfencing"


class StepState(StrEnum):
    """How far a step is."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class RecoveryStep(StatusModel):
    """One step of the restore."""

    name: RecoveryStepName
    """Which step."""
    state: StepState
    """How far it is."""
    start_time: Timestamp | None = None
    """When it started."""
    completion_time: Timestamp | None = None
    """When it ended."""
    message: Annotated[str, Text(4096)] = ""
    """What it found, or the end of its log, without secrets."""
    job_name: Annotated[str, Text(63)] | None = None
    """Name of the Job that carries it out, for kubectl logs."""


class RestoredBackup(StatusModel):
    """The backup that was selected."""

    id: Annotated[str, Text(128, min_length=1)]
    """Id of the backup."""
    time: Timestamp
    """Moment of its snapshot: the data goes back to this moment."""
    bytes: Annotated[int, Field(ge=0)] = 0
    """Size of the dump in bytes."""
    sha256: Annotated[str, Text(64)] | None = None
    """SHA-256 of the dump, as compared before the first byte was restored."""


class RecoveryJobStatus(StatusModel):
    """How far the restore is."""

    observed_generation: ObservedGeneration | None = None
    """metadata.generation that this status was derived from."""
    conditions: Conditions = ()
    """Succeeded: Unknown while it runs, with the step as its reason; then True or False for good."""
    start_time: Timestamp | None = None
    """When the restore started."""
    completion_time: Timestamp | None = None
    """When it ended."""
    backup: RestoredBackup | None = None
    """The backup that was selected."""
    steps: Annotated[tuple[RecoveryStep, ...], Field(max_length=16), list_map("name")] = ()
    """The steps, in their order."""
    database: Annotated[str, Text(63)] | None = None
    """Name of the database that has the restored data."""
    previous_database: Annotated[str, Text(63)] | None = None
    """Name under which the previous data is kept after a swap."""
    previous_database_expiry_time: Timestamp | None = None
    """When the previous data is removed."""
    held_bots: Annotated[tuple[Annotated[str, Text(253)], ...], Field(max_length=500), list_type("set")] = ()
    """Names of the TradingBots that are held at the moment."""
    held_schedules: Annotated[tuple[Annotated[str, Text(253)], ...], Field(max_length=500), list_type("set")] = ()
    """Names of the BackupSchedules that are held at the moment."""


class RecoveryJob(ApiModel):
    """One restore of one backup, carried out once.

    It restores into a new database, verifies it, and only then, if asked to, swaps it with the present one. Bots of the
    database are held meanwhile and come back in simulation or paused.
    """

    api_version: Literal["tradingbots.dev/v1alpha1"] = "tradingbots.dev/v1alpha1"
    kind: Literal["RecoveryJob"] = "RecoveryJob"
    metadata: ObjectMeta
    spec: RecoveryJobSpec
    """What is restored and where to. It cannot be changed: another restore is another RecoveryJob."""
    status: RecoveryJobStatus = RecoveryJobStatus()
    """How far the restore is, written by the operator."""

    rules: ClassVar[tuple[Rule, ...]] = (name_rule(RECOVERY_JOB, RECOVERY_JOB_NAME_MAX),)
