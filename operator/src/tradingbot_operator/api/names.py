"""Names that every part of the operator and every user of the API shares."""

from dataclasses import dataclass
from typing import Final

GROUP: Final = "tradingbots.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "trading"


@dataclass(frozen=True, slots=True)
class ResourceNames:
    """How one kind is called in manifests, in URLs and on the command line."""

    kind: str
    plural: str
    singular: str
    short: str

    @property
    def crd_name(self) -> str:
        """Name of the CustomResourceDefinition object."""
        return f"{self.plural}.{GROUP}"


TRADING_BOT: Final = ResourceNames("TradingBot", "tradingbots", "tradingbot", "tbot")
BACKUP_SCHEDULE: Final = ResourceNames("BackupSchedule", "backupschedules", "backupschedule", "bks")
RECOVERY_JOB: Final = ResourceNames("RecoveryJob", "recoveryjobs", "recoveryjob", "rjob")
ALL: Final = (TRADING_BOT, BACKUP_SCHEDULE, RECOVERY_JOB)

# Children carry the object's name behind a prefix, sometimes before a suffix, in names and label values of at most 63
# characters (52 for a CronJob, which appends its own suffix). The schema refuses longer names with a sentence.
TRADING_BOT_NAME_MAX: Final = 52
BACKUP_SCHEDULE_NAME_MAX: Final = 30
RECOVERY_JOB_NAME_MAX: Final = 40
