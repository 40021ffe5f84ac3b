"""Version v1alpha1 of the API."""

from tradingbot_operator.api.v1alpha1.common import Condition as Condition
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBot as TradingBot
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotSpec as TradingBotSpec
from tradingbot_operator.api.v1alpha1.tradingbot import TradingBotStatus as TradingBotStatus
