"""Condition types and the closed list of reasons, each with the sentence that explains it.

Status, events, metrics and documentation take them from here; nothing invents a reason of its own.
"""

from enum import StrEnum
from typing import Self


class ConditionType(StrEnum):
    """What a condition is about."""

    # TradingBot
    READY = "Ready"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    LIVE_READY = "LiveReady"
    # BackupSchedule, beside Ready and Suspended
    LAST_BACKUP_SUCCEEDED = "LastBackupSucceeded"
    STORAGE_REACHABLE = "StorageReachable"
    BACKUP_FRESH = "BackupFresh"
    VERIFIED = "Verified"
    RETENTION_HEALTHY = "RetentionHealthy"
    # RecoveryJob
    SUCCEEDED = "Succeeded"


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


TRADING_BOT_CONDITIONS = (
    ConditionType.READY,
    ConditionType.PROGRESSING,
    ConditionType.DEGRADED,
    ConditionType.SUSPENDED,
    ConditionType.LIVE_READY,
)
BACKUP_SCHEDULE_CONDITIONS = (
    ConditionType.READY,
    ConditionType.LAST_BACKUP_SUCCEEDED,
    ConditionType.STORAGE_REACHABLE,
    ConditionType.BACKUP_FRESH,
    ConditionType.VERIFIED,
    ConditionType.RETENTION_HEALTHY,
    ConditionType.SUSPENDED,
)
RECOVERY_JOB_CONDITIONS = (ConditionType.SUCCEEDED,)


class Reason(StrEnum):
    """Why a condition has its status. `explanation` is one sentence for people."""

    explanation: str

    def __new__(cls, value: str, explanation: str) -> Self:
        """Keep the sentence beside the name."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.explanation = explanation
        return member

    # Any kind
    RECONCILING = "Reconciling", "The operator is working on the object; nothing is known to be wrong."
    INVALID_SPEC = "InvalidSpec", "The spec breaks a rule of the schema; the message names the fields to correct."
    NAME_TAKEN = "NameTaken", "A child object of this name exists and belongs to somebody else; rename one of them."
    API_REFUSED = "ApiRefused", "The API server refused a child object; the message is the server's own."
    DELETING = "Deleting", "The object is being deleted."
    DELETION_BLOCKED = (
        "DeletionBlocked",
        "The exchange has not confirmed what deletionPolicy asks for; the message says how to delete it all the same.",
    )
    AS_EXPECTED = "AsExpected", "Nothing is wrong."

    # TradingBot: how it runs
    TRADING = "Trading", "The bot holds the writer lease and trades."
    STANDBY = "Standby", "The bot runs and waits for the writer lease that another pod holds."
    STARTING = "Starting", "The pod runs, but the bot has not reported itself ready yet."
    ROLLING_OUT = (
        "RollingOut",
        "A new configuration or image is being rolled out; what ran before runs until it is ready.",
    )
    ROLLED_BACK = "RolledBack", "The new version did not become healthy in time; the previous one runs again."
    ROLLOUT_COMPLETE = "RolloutComplete", "The running pod has the configuration and the image of the spec."
    ROLLOUT_DEADLINE_EXCEEDED = (
        "RolloutDeadlineExceeded",
        "The new version did not become ready within update.healthTimeoutSeconds; what ran before runs on.",
    )

    # TradingBot: what is in the way
    IMAGE_PULL_FAILED = "ImagePullFailed", "The image cannot be pulled; correct image or imagePullSecrets."
    SECRET_NOT_FOUND = "SecretNotFound", "A Secret, or a key in it, that the spec refers to does not exist; create it."
    INVALID_CONFIGURATION = "InvalidConfiguration", "The bot refuses its configuration; the message says which field."
    ANOTHER_ACCOUNT = (
        "AnotherAccount",
        "The Secret has the keys of another account than the approved one, and the bot does not start with them.",
    )
    UNKNOWN_STRATEGY = "UnknownStrategy", "The image has no strategy of this name; the message lists those it has."
    INVALID_STRATEGY_PARAMETERS = (
        "InvalidStrategyParameters",
        "The strategy refuses its parameters; the message says which and why.",
    )
    UNKNOWN_SYMBOL = "UnknownSymbol", "The exchange or the recorded data does not know a symbol of the strategy."
    DATA_NOT_FOUND = "DataNotFound", "The recorded data set is not in the image or does not cover the time frame."
    CRASH_LOOPING = "CrashLooping", "The bot ends again and again; the message has its last words."
    UNSCHEDULABLE = "Unschedulable", "No node takes the pod; the message is the scheduler's."
    POD_REFUSED = "PodRefused", "The pod may not be created: a quota, a limit or a security policy of the namespace."
    DATABASE_UNREACHABLE = "DatabaseUnreachable", "The database does not answer; no new entries until it does."
    BOT_UNREACHABLE = "BotUnreachable", "The pod is ready, but its status endpoint does not answer."
    CONTESTED = (
        "Contested",
        "Somebody else changes a child object back whenever the operator repairs it; the message says what and who.",
    )
    REPAIRED = "Repaired", "A child object of a live bot was changed by somebody else, and put back."
    POD_EXTENDED = (
        "PodExtended",
        "Somebody has put something beside a live bot into its pod's template; the message says what.",
    )
    POD_MISSING = "PodMissing", "There is no pod yet."

    # TradingBot: held back on purpose
    EMERGENCY_STOPPED = "EmergencyStopped", "An emergency stop is latched; only spec.resume with its id ends it."
    RESUMED = "Resumed", "A person ended an emergency stop by its id; the event says which, and why it was safe."
    KILL_JOB_STARTED = "KillJobStarted", "A kill Job carries the bot's stop out at the exchange; the event says why."
    KILL_JOB_DONE = "KillJobDone", "The kill Job has done at the exchange what the stop asked for."
    KILL_JOB_FAILED = (
        "KillJobFailed",
        "The kill Job ended without all that the stop asked for: look at the exchange yourself.",
    )
    HALTED = "Halted", "A loss limit, or a lost database or price feed, stopped new entries."
    REDUCING = "Reducing", "The bot only closes positions; it opens none."
    PAUSED = "Paused", "The bot opens no positions; open ones are still managed."
    NOT_SUSPENDED = "NotSuspended", "Nothing holds the bot back."
    AWAITING_APPROVAL = (
        "AwaitingApproval",
        "mode is live, but no valid approval names status.approval.requiredDigest; the bot simulates.",
    )
    APPROVAL_EXPIRED = (
        "ApprovalExpired",
        "The approval has expired; the bot only closes positions until a new one is given.",
    )
    LIVE = "Live", "Every gate is open; the bot trades live."
    NOT_ASKED = "NotAsked", "spec.mode is simulation; nobody asks for live trading."
    LEAVING_LIVE = (
        "LeavingLive",
        "The spec asks for a simulation: the live bot opens nothing and cancels its orders first.",
    )
    APPROVAL_VOID = (
        "ApprovalVoid",
        "What runs is not approved any more: the bot opens nothing, and goes by the configuration that was approved.",
    )
    PREFLIGHT_PENDING = "PreflightPending", "The preflight has not reported on the exchange account yet."
    PREFLIGHT_REFUSED = "PreflightRefused", "The preflight refuses the exchange account; the message says why."
    EXCHANGE_UNREACHABLE = "ExchangeUnreachable", "The preflight did not reach the exchange; it is tried again."
    KEY_MAY_WITHDRAW = "KeyMayWithdraw", "The key may withdraw money; make one that may only trade."
    LIMITS_MISSING = "LimitsMissing", "A limit that real money needs is not set; the message names it."
    NOT_RECONCILED = "NotReconciled", "The bot does not answer, or its own picture is not settled."
    PROMOTION_NOT_MET = "PromotionNotMet", "The simulation has not shown yet what spec.promotion asks for."
    BACKUP_MISSING = "BackupMissing", "The database has a BackupSchedule, but no fresh and verified backup."
    RESUME_REFUSED = "ResumeRefused", "spec.resume does not end the stop that is latched; the message says why."
    RECONCILE_REQUIRED = (
        "ReconcileRequired",
        "The database was restored from a backup; the bot waits until orders and positions agree with the exchange.",
    )
    FENCED = "Fenced", "A RecoveryJob restores the bot's database; the bot is held until it is done."

    # BackupSchedule
    SCHEDULED = "Scheduled", "Backups run on schedule."
    SUSPENDED = "Suspended", "spec.suspend is true, or a RecoveryJob holds the schedule; no new runs start."
    NEVER_RUN = "NeverRun", "No backup has been attempted yet."
    BACKUP_SUCCEEDED = "BackupSucceeded", "The last run ended with a complete, readable backup."
    BACKUP_FAILED = "BackupFailed", "The last run ended without a backup; the message has the end of its log."
    BACKUP_TOO_OLD = "BackupTooOld", "The newest backup is older than recoveryPointObjectiveSeconds."
    RUN_LOST = "RunLost", "The Job or its pod disappeared before it ended; the run counts as failed."
    DEADLINE_EXCEEDED = "DeadlineExceeded", "The run took longer than activeDeadlineSeconds and was ended."
    STORAGE_UNREACHABLE = "StorageUnreachable", "The object storage does not answer."
    ACCESS_DENIED = "AccessDenied", "The object storage refuses a right; the message names it."
    STORAGE_FULL = "StorageFull", "The object storage has no space left."
    OBJECT_LOCK_MISSING = "ObjectLockMissing", "objectLock is asked for, but the bucket was made without it."
    CLIENT_TOO_OLD = "ClientTooOld", "The database server is newer than the client programs in the image."
    CLOCK_SKEW = (
        "ClockSkew",
        "Clock and object storage differ by more than five minutes; nothing is deleted until they agree.",
    )
    LOCK_CONFLICT = "LockConflict", "A table stayed locked by another session for longer than lockWaitTimeoutSeconds."
    RETENTION_APPLIED = "RetentionApplied", "Old backups were removed as the retention says."
    RETENTION_BLOCKED = (
        "RetentionBlocked",
        "The retention would remove unusually many backups; acknowledge its plan or change the retention.",
    )
    VERIFICATION_SUCCEEDED = (
        "VerificationSucceeded",
        "The newest verification read its backup back without a difference.",
    )
    VERIFICATION_FAILED = "VerificationFailed", "A backup could not be read back; it no longer counts as one."
    VERIFICATION_STALE = "VerificationStale", "No backup was verified within verification.withinSeconds."

    # RecoveryJob: the step it is at, then how it ended
    VALIDATING = "Validating", "Backup, target and versions are being checked; nothing has been changed."
    FENCING = "Fencing", "Bots and schedules of the database are being held."
    SAFETY_DUMP = "SafetyDump", "The present data is being backed up before it is replaced."
    RESTORING = "Restoring", "The backup is being restored into a new database."
    VERIFYING = "Verifying", "The restored data is being checked."
    SWAPPING = "Swapping", "The restored database takes the name of the present one, which is kept under another."
    UNFENCING = "Unfencing", "Bots and schedules are being released."
    RECOVERED = "Recovered", "The data is restored and verified."
    DRY_RUN_SUCCEEDED = "DryRunSucceeded", "Everything that a restore needs is in place; nothing was restored."
    ALREADY_APPLIED = "AlreadyApplied", "This very RecoveryJob was carried out before; it is not repeated."
    NO_MATCHING_BACKUP = "NoMatchingBackup", "The storage holds no backup that the selection matches."
    BACKUP_DAMAGED = "BackupDamaged", "The stored object differs from its manifest; nothing was restored from it."
    CONFIRMATION_MISSING = "ConfirmationMissing", "confirm does not name the database that would be replaced."
    TARGET_NOT_EMPTY = "TargetNotEmpty", "The database to restore into exists already and has tables."
    INCOMPATIBLE_VERSION = "IncompatibleVersion", "Server or extension versions do not fit those of the backup."
    RESTORE_FAILED = "RestoreFailed", "The restore ended with an error; the present data is untouched."
    RECOVERY_VERIFICATION_FAILED = (
        "RecoveryVerificationFailed",
        "The restored data failed a check; the present data is untouched.",
    )
    CANCELLED = "Cancelled", "The RecoveryJob was deleted before it ended; bots and schedules were released."
