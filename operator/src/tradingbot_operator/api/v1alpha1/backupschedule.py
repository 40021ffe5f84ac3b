"""BackupSchedule: when a database is backed up, where to, for how long, and how backups are proven."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tradingbot_operator.api.markers import Rule, Text, list_map, list_type
from tradingbot_operator.api.model import ApiModel, Bounds, ObjectMeta, StatusModel, Timestamp
from tradingbot_operator.api.names import BACKUP_SCHEDULE, BACKUP_SCHEDULE_NAME_MAX
from tradingbot_operator.api.v1alpha1.common import (
    Conditions,
    ImageReference,
    LocalReference,
    ObservedGeneration,
    ResourceRequirements,
    Scheduling,
    name_rule,
)
from tradingbot_operator.api.v1alpha1.storage import (
    Assertion,
    BackupDatabase,
    BackupId,
    CronSchedule,
    Storage,
    TimeZone,
)

Count = Annotated[int, Field(ge=0, le=10_000)]
Token = Annotated[
    str, Text(128, r"^[-A-Za-z0-9._:]+$", "write a word of letters, digits and -._: that was not used before")
]


class RowCounts(StrEnum):
    """Which tables' rows are counted in the same snapshot as the dump."""

    EXACT = "Exact"
    LEDGER = "Ledger"
    OFF = "Off"


class CompressionMethod(StrEnum):
    """How a dump is compressed."""

    GZIP = "gzip"
    LZ4 = "lz4"
    ZSTD = "zstd"


class Compression(ApiModel):
    """Compression of the dump. There is always one."""

    method: CompressionMethod = CompressionMethod.GZIP
    """gzip can be read by every pg_restore; lz4 and zstd are faster and need version 16 or newer."""
    level: Annotated[int, Field(ge=1, le=9)] = 6
    """1 is fast, 9 is small."""


class Dump(ApiModel):
    """How the database is read."""

    compression: Compression = Compression()
    row_counts: RowCounts = RowCounts.EXACT
    """Which tables' rows are counted in the dump's own snapshot, to compare with after a restore: Exact all, Ledger
    those of orders and trades, Off none. Counting reads the tables once more."""
    lock_wait_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """Seconds to wait for a table that another session has locked."""
    lock_retries: Annotated[int, Field(ge=0, le=20)] = 3
    """How often to try again after such a wait."""


class ConfigurationBackup(ApiModel):
    """Backup of the TradingBot and BackupSchedule objects of this namespace, without their Secrets."""

    enabled: bool = True
    """Whether the objects are backed up."""
    schedule: CronSchedule = "0 2 * * *"
    """When, in spec.timeZone. Default: every day at 02:00."""


class Retention(ApiModel):
    """Which backups stay. A backup stays while any of the rules keeps it; only verified backups count.

    The last good backup is never removed, nor any backup that another schedule made.
    """

    keep_last: Annotated[int, Field(ge=1, le=10_000)] = 7
    """The newest ones, this many."""
    keep_hourly: Count = 0
    """The newest of each hour, for this many hours that have one."""
    keep_daily: Count = 7
    """The newest of each day, for this many days that have one."""
    keep_weekly: Count = 4
    """The newest of each week (from Monday), for this many weeks that have one."""
    keep_monthly: Count = 0
    """The newest of each month, for this many months that have one."""
    maximum_age_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """Days after which a backup goes although a rule above would keep it, for laws that ask for it. minimumRedundancy
    still holds."""
    minimum_redundancy: Annotated[int, Field(ge=1, le=1000)] = 3
    """Number of verified backups that stay in any case."""
    maximum_removal_fraction: Annotated[Decimal, Bounds(gt=0, le=1)] = Decimal("0.5")
    """Largest part of all backups that one run may remove, 0.5 is half. A run that would remove more removes nothing
    until its plan is acknowledged."""
    acknowledged_plan: Token | None = None
    """Id of the plan, from status.retentionPlan.id, that may be carried out although it removes unusually many."""
    held: Annotated[tuple[BackupId, ...], Field(max_length=100), list_type("set")] = ()
    """Ids of backups that are never removed, until they are taken off this list."""


class RestoreDrill(ApiModel):
    """A restore into a database that exists only for it."""

    image: ImageReference | None = None
    """PostgreSQL image of the same major version, and with the same extensions, as the database. Without it, the one
    that the operator was installed with."""
    resources: ResourceRequirements | None = None
    """CPU and memory of the database."""
    volume_size: Annotated[str, Text(32, r"^[1-9][0-9]*(Mi|Gi|Ti)$", "write a size such as 20Gi")] = "10Gi"
    """Room for the restored data, on the node's own disk."""


class Verification(ApiModel):
    """How backups are proven. Each backup is read in full while it is written; this is what comes later."""

    checksum_schedule: CronSchedule = "0 4 * * *"
    """When the newest backup is downloaded and its SHA-256 compared, in spec.timeZone. Default: every day at 04:00."""
    schedule: CronSchedule = "0 5 * * 0"
    """When the newest backup is restored as a drill, in spec.timeZone. Default: every Sunday at 05:00."""
    suspend: bool = False
    """Whether checks are left out for the time being."""
    within_seconds: Annotated[int, Field(ge=3600, le=31_536_000)] = 691_200
    """Age of the last successful drill at which condition Verified becomes false. Default: 8 days."""
    restore_drill: RestoreDrill = RestoreDrill()
    assertions: Annotated[tuple[Assertion, ...], Field(max_length=50), list_map("name")] = ()
    """Questions to the restored database that must all be answered with true, beside the row counts."""


class BackupDeletionPolicy(StrEnum):
    """What becomes of the backups when the schedule is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class BackupScheduleSpec(ApiModel):
    """When a database is backed up, where to, for how long, and how backups are proven."""

    database: BackupDatabase
    """The PostgreSQL database to back up."""
    storage: Storage
    """Where the backups are kept."""
    bot_ref: LocalReference | None = None
    """The TradingBot whose database it is, for the names of backups, metrics and alerts. Without it, the schedule's own
    name is used."""
    schedule: CronSchedule = "0 */6 * * *"
    """When the database is backed up, as in cron and in timeZone: minute, hour, day, month, day of the week. Default:
    every six hours."""
    time_zone: TimeZone = "Etc/UTC"
    """Time zone of all schedules, by its IANA name, for example Europe/Berlin."""
    suspend: bool = False
    """Set to true to start no further runs. What runs, ends; backups stay."""
    run_immediately: bool = True
    """Whether the first backup is made as soon as the schedule exists, instead of at its first time."""
    trigger: Token | None = None
    """Change this to any word that was not used before to have one backup made now. The same word again does
    nothing."""
    start_jitter_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """Seconds by which a start may be delayed, always the same for one schedule, so that many do not start at once."""
    starting_deadline_seconds: Annotated[int, Field(ge=10, le=86_400)] | None = None
    """Seconds after its time until which a run that could not start is still made up for, once. Without it, half of the
    time between two runs, at most 6 hours."""
    active_deadline_seconds: Annotated[int, Field(ge=60, le=604_800)] | None = None
    """Seconds after which a run is ended and counts as failed. Without it, the time between two runs, at most
    24 hours."""
    recovery_point_objective_seconds: Annotated[int, Field(ge=60, le=31_536_000)] | None = None
    """Age of the newest backup at which condition BackupFresh becomes false. Without it, twice the time between two
    runs."""
    dump: Dump = Dump()
    """How the database is read."""
    configuration: ConfigurationBackup = ConfigurationBackup()
    retention: Retention = Retention()
    verification: Verification = Verification()
    successful_jobs_history_limit: Annotated[int, Field(ge=0, le=100)] = 3
    """Number of successful Jobs, with their logs, that are kept."""
    failed_jobs_history_limit: Annotated[int, Field(ge=1, le=100)] = 3
    """Number of failed Jobs, with their logs, that are kept."""
    deletion_policy: BackupDeletionPolicy = BackupDeletionPolicy.RETAIN
    """What becomes of the backups when this object is deleted: Retain keeps them, Delete removes this schedule's, for
    at most ten minutes, then gives up and says so in an event."""
    image: ImageReference | None = None
    """Image of the Jobs. Without it, the operator's own."""
    resources: ResourceRequirements | None = None
    """CPU and memory of the Jobs. Without it, 100m to 1 CPU and 256Mi to 512Mi of memory."""
    scheduling: Scheduling | None = None
    """Which nodes the Jobs may run on."""


class AttemptResult(StrEnum):
    """How a run ended, or that it has not yet."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class BackupAttempt(StatusModel):
    """A run."""

    time: Timestamp
    """When it started."""
    result: AttemptResult
    """Running, Succeeded or Failed. A run whose Job disappeared is Failed."""
    reason: Annotated[str, Text(64)] = ""
    """Why it failed, in one word of a closed list; docs/reference.md explains each."""
    message: Annotated[str, Text(4096)] = ""
    """The end of its log, without secrets."""
    id: Annotated[str, Text(128)] | None = None
    """Id of the backup that it made."""
    trigger: Annotated[str, Text(128)] | None = None
    """spec.trigger, when the run was asked for by it."""


class BackupSummary(StatusModel):
    """A backup that can be restored."""

    id: Annotated[str, Text(128, min_length=1)]
    """Id of the backup, for RecoveryJob.spec.backup.id."""
    time: Timestamp
    """Moment of the snapshot: the data is that of this moment."""
    bytes: Annotated[int, Field(ge=0)] = 0
    """Size of the dump in bytes."""
    duration_seconds: Annotated[int, Field(ge=0)] = 0
    """Seconds that the backup took."""
    verified: bool = False
    """Whether it was read back after it was written, by checksum or by a drill."""


class VerificationLevel(StrEnum):
    """How thoroughly a backup was proven."""

    CHECKSUM = "Checksum"
    RESTORE = "Restore"


class VerificationSummary(StatusModel):
    """A proof of a backup."""

    id: Annotated[str, Text(128, min_length=1)]
    """Id of the backup."""
    level: VerificationLevel
    """Checksum: it was downloaded and is unchanged. Restore: it was restored, and its rows and assertions are right."""
    time: Timestamp
    """When it was proven."""
    restore_seconds: Annotated[int, Field(ge=0)] | None = None
    """Seconds that the restore took: what a recovery would take at least."""


class RetentionPlan(StatusModel):
    """What the retention would remove next."""

    id: Annotated[str, Text(128, min_length=1)]
    """Id of the plan, for spec.retention.acknowledgedPlan."""
    removals: Annotated[tuple[Annotated[str, Text(128)], ...], Field(max_length=100), list_type("atomic")] = ()
    """Ids of the backups that would be removed, at most the first 100."""
    total: Annotated[int, Field(ge=0)] = 0
    """Number of backups that would be removed."""
    blocked: bool = False
    """Whether the plan waits to be acknowledged."""


class BackupScheduleStatus(StatusModel):
    """What the storage and the Jobs say. All of it can be derived from them again."""

    observed_generation: ObservedGeneration | None = None
    """metadata.generation that this status was derived from."""
    conditions: Conditions = ()
    """Ready, LastBackupSucceeded, StorageReachable, BackupFresh, Verified, RetentionHealthy and Suspended."""
    last_attempt: BackupAttempt | None = None
    """The newest run."""
    last_success: BackupSummary | None = None
    """The newest good backup."""
    last_verified: VerificationSummary | None = None
    """The newest proof of a backup."""
    recovery_points: Annotated[int, Field(ge=0)] | None = None
    """Number of backups that can be restored."""
    oldest_recovery_point: Timestamp | None = None
    """Moment of the oldest one's snapshot."""
    newest_recovery_point: Timestamp | None = None
    """Moment of the newest one's snapshot."""
    next_run_time: Timestamp | None = None
    """When the next backup is due."""
    missed_runs: Annotated[int, Field(ge=0)] | None = None
    """Number of runs since the last success that were due and did not take place."""
    recent: Annotated[tuple[BackupSummary, ...], Field(max_length=10), list_map("id")] = ()
    """The newest good backups, up to ten."""
    retention_plan: RetentionPlan | None = None
    """What the retention would remove next."""
    held_by: Annotated[str, Text(253)] | None = None
    """Name of the RecoveryJob that holds the schedule, while it does."""
    last_trigger: Annotated[str, Text(128)] | None = None
    """spec.trigger of the last run that was asked for by it."""


class BackupSchedule(ApiModel):
    """Regular backups of a PostgreSQL database to object storage.

    A backup counts only when it was read back. Runs are those of native CronJobs and go on without the operator.
    """

    api_version: Literal["tradingbots.dev/v1alpha1"] = "tradingbots.dev/v1alpha1"
    kind: Literal["BackupSchedule"] = "BackupSchedule"
    metadata: ObjectMeta
    spec: BackupScheduleSpec
    """When a database is backed up, where to, for how long, and how backups are proven."""
    status: BackupScheduleStatus = BackupScheduleStatus()
    """What the storage and the Jobs say, written by the operator."""

    rules: ClassVar[tuple[Rule, ...]] = (name_rule(BACKUP_SCHEDULE, BACKUP_SCHEDULE_NAME_MAX),)
