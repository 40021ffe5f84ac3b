"""Version v1alpha1 of the API."""

from tradingbot_operator.api.v1alpha1.backupschedule import BackupSchedule as BackupSchedule
from tradingbot_operator.api.v1alpha1.backupschedule import BackupScheduleSpec as BackupScheduleSpec
from tradingbot_operator.api.v1alpha1.backupschedule import BackupScheduleStatus as BackupScheduleStatus
from tradingbot_operator.api.v1alpha1.common import Condition as Condition
from tradingbot_operator.api.v1alpha1.recoveryjob import RecoveryJob as RecoveryJob
from tradingbot_operator.api.v1alpha1.recoveryjob import RecoveryJobSpec as RecoveryJobSpec
from tradingbot_operator.api.v1alpha1.recoveryjob import RecoveryJobStatus as RecoveryJobStatus
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot as TradingBot
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec as TradingBotSpec
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotStatus as TradingBotStatus
