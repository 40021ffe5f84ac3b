from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pytest

from tradingbot.cli.alone import Wanted
from tradingbot.cli.run import run_bot
from tradingbot.config.load import ENVIRONMENT, load
from tradingbot.config.model import FeedType, Mode, Trading
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import MarketType
from tradingbot.strategy import registry
from tradingbot.terms import limits, strategy_key
from tradingbot.wiring import describe, subject

if TYPE_CHECKING:
    from pathlib import Path

FULL = """
bot: {name: btc-breakout, namespace: trading}
mode: simulation
trading: Active
environment: Development
log_level: INFO
exchange: {name: binance, market_type: Spot, test_mode: true, rate_limit_per_minute: 1200}
strategy:
  name: breakout
  symbols: [BTC/USD]
  timeframe: 1m
  parameters: {entry_lookback: 20}
risk: {max_drawdown: 0.15, daily_loss_limit: 0.03, max_position_size: 0.25, risk_per_trade: 0.01,
       max_open_positions: 5, min_risk_reward_ratio: 3.0, max_orders_per_minute: 60, price_collar: 0.05,
       on_breach: Hold}
simulation:
  initial_capital: 10000
  commission: 0.001
  slippage: 0.0001
  tick_interval_seconds: 5
  strategy_interval_seconds: 60
  seed: 0
  feed: {type: Recorded, dataset: recorded, speed: 1, loop: false}
database: {pool_size: 5, max_overflow: 10}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str, environment: dict[str, str] | None = None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as error:
        describe(load(environment or {}, write(folder, text)), {})
    return error.value


def test_two_variables_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="RISK_RISK_PER_TRADE and MAX_RISK_PER_TRADE say different things of risk"
    ):
        load({"RISK_RISK_PER_TRADE": "0.013", "MAX_RISK_PER_TRADE": "1.4"}, defaults={"strategy": {"name": "breakout"}})


def test_two_variables_that_say_the_same_are_one() -> None:
    settings = load(
        {"RISK_RISK_PER_TRADE": "0.02", "MAX_RISK_PER_TRADE": "2.0"}, defaults={"strategy": {"name": "breakout"}}
    )
    assert settings.risk.risk_per_trade == Decimal("0.02")


def test_an_upgrade_with_new_limits_does_not_begin_a_promotion_anew(tmp_path: Path) -> None:
    """What is traded, and within which limits, is remembered as a hash: this one is of before there were the others."""
    text = "strategy: {name: breakout}\n"
    before = subject(load({}, write(tmp_path, text)))
    assert before == "f9ec260936790e53"
    for limit in ("max_stop_distance: 0.1", "max_target_distance: 0.5", "min_confidence: 0", "autonomous: false"):
        assert subject(load({}, write(tmp_path, f"{text}risk: {{{limit}}}\n"))) != before, limit
    assert subject(load({}, write(tmp_path, f"{text}risk: {{autonomous: true}}\n"))) == before


def test_the_file_of_the_contract_is_read_to_the_digit(tmp_path: Path) -> None:
    settings = load({}, write(tmp_path, FULL))
    assert settings.bot.full_name == "trading/btc-breakout"
    assert (settings.mode, settings.trading) == (Mode.SIMULATION, Trading.ACTIVE)
    assert settings.risk.max_drawdown == Decimal("0.15")
    assert settings.simulation.slippage == Decimal("0.0001")
    assert settings.simulation.feed.type is FeedType.RECORDED
    assert len(settings.config_hash) == 64
    assert describe(settings, {})["strategy"] == "breakout"


def test_only_the_strategy_is_needed(tmp_path: Path) -> None:
    settings = load({}, write(tmp_path, "strategy: {name: breakout}"))
    assert settings.risk.daily_loss_limit == Decimal("0.03")
    assert settings.simulation.initial_capital == 10_000
    assert settings.database.pool_size == 5
    assert (settings.mode, settings.approved) == (Mode.SIMULATION, False)


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    environment = {
        "CONFIG_PATH": str(write(tmp_path, FULL)),
        "RISK_MAX_DRAWDOWN": "0.1",
        "MAX_OPEN_POSITIONS": "2",
        "MAX_RISK_PER_TRADE": "2.0",
        "MIN_RISK_REWARD_RATIO": "2.5",
        "SIMULATION_INITIAL_CAPITAL": "50000",
        "SIMULATION_TICK_INTERVAL": "1",
        "DB_URL": "postgresql://u:very-secret@h/d",
        "DB_POOL_SIZE": "7",
        "BINANCE_API_KEY": "very-secret",
        "LOG_LEVEL": "debug",
        "EXCHANGE": "binance_futures",
        "API_KEY": "",
    }
    settings = load(environment)
    assert settings.risk.max_drawdown == Decimal("0.1")
    assert settings.risk.max_open_positions == 2
    assert settings.risk.risk_per_trade == Decimal("0.02")
    assert limits(settings).min_risk_reward_ratio == Decimal("2.5")
    assert settings.simulation.initial_capital == 50_000
    assert settings.simulation.tick_interval_seconds == 1
    assert settings.database.pool_size == 7
    assert settings.log_level == "DEBUG"
    assert (settings.exchange.name, settings.exchange.market_type) == ("binance", MarketType.FUTURES)
    assert settings.http.api_key is None
    assert "very-secret" not in repr(settings)
    assert "very-secret" not in str(settings.model_dump())
    assert "very-secret" not in settings.model_dump_json()


def test_the_account_comes_from_the_environment_under_two_names(tmp_path: Path) -> None:
    environment = {"BINANCE_API_KEY": "old", "BINANCE_API_SECRET": "secret", "EXCHANGE_API_KEY": "new"}
    exchange = load(environment, write(tmp_path, "strategy: {name: breakout}")).exchange
    assert exchange.api_key is not None
    assert exchange.api_secret is not None
    assert (exchange.api_key.get_secret_value(), exchange.api_secret.get_secret_value()) == ("new", "secret")


def test_every_environment_variable_reaches_a_setting() -> None:
    from tradingbot.config.model import Settings

    for path in ENVIRONMENT.values():
        model: Any = Settings
        for part in path:
            choices = [one for one in (model, *get_args(model)) if hasattr(one, "model_fields")]
            model = choices[0].model_fields[part].annotation if choices else None
            assert model is not None, path


BAD: list[tuple[str, str, str, str]] = [
    ("risk: {max_drawdwn: 0.1}", "InvalidConfiguration", "risk.max_drawdwn", "did you mean max_drawdown?"),
    ("sbot: {}", "InvalidConfiguration", "sbot", "did you mean bot?"),
    ("risk: {max_drawdown: 1.5}", "InvalidConfiguration", "risk.max_drawdown", "less than or equal to 1 (given: 1.5)"),
    ("risk: {max_drawdown: -0.1}", "InvalidConfiguration", "risk.max_drawdown", "greater than 0"),
    ("risk: {max_drawdown: .nan}", "InvalidConfiguration", "risk.max_drawdown", "finite"),
    ("risk: {on_breach: Panic}", "InvalidConfiguration", "risk.on_breach", "'Hold' or 'Flatten'"),
    ("trading: Stopped", "InvalidConfiguration", "trading", "'Active', 'Paused' or 'Reducing'"),
    ("mode: live", "NotApproved", "mode", "second person"),
    ("mode: live\napproved: true", "InvalidConfiguration", "exchange.api_key", "EXCHANGE_API_KEY"),
    (
        "exchange: {market_type: Futures}\nsimulation: {feed: {type: Live}}",
        "InvalidConfiguration",
        "market_type",
        "Spot",
    ),
    ("simulation: {seed: -1}", "InvalidConfiguration", "simulation.seed", "greater than or equal to 0"),
    ("simulation: {feed: {type: Recorded, dataset: none}}", "DataNotFound", "simulation.feed.dataset", "recorded"),
    ("simulation: {initial_capital: lots}", "InvalidConfiguration", "simulation.initial_capital", "decimal"),
    ("log_level: LOUD", "InvalidConfiguration", "log_level", "DEBUG"),
    ("bot: {name: Not_A_Label}", "InvalidConfiguration", "bot.name", "match"),
    ("exchange: {api_url: ftp://x}", "InvalidConfiguration", "exchange.api_url", "https://proxy.example.org/binance"),
    ("exchange: {api_url: 'https://key:secret@x'}", "InvalidConfiguration", "exchange.api_url", "without user"),
    ("exchange: {api_url: 'https://x:port'}", "InvalidConfiguration", "exchange.api_url", "write an address"),
    ("config_hash: abc", "InvalidConfiguration", "config_hash", "computed"),
]


@pytest.mark.parametrize(("line", "reason", "field", "hint"), BAD, ids=[line for line, *_ in BAD])
def test_what_cannot_work_is_refused_with_its_field_and_a_way_out(
    tmp_path: Path, line: str, reason: str, field: str, hint: str
) -> None:
    error = refused(tmp_path, f"strategy: {{name: breakout}}\n{line}\n")
    assert error.reason == reason
    assert field in error.message
    assert hint in error.message


STRATEGIES: list[tuple[str, str, str, str]] = [
    ("strategy: {name: brakeout}", "UnknownStrategy", "strategy.name", "Did you mean breakout?"),
    ("strategy: {name: zzz}", "UnknownStrategy", "known are", "breakout, mean-reversion, momentum, moving"),
    ("strategy: {name: breakout, parameters: {entry_lokback: 3}}", "InvalidStrategyParameters",
     "strategy.parameters.entry_lokback", "did you mean entry_lookback?"),
    ("strategy: {name: breakout, parameters: {entry_lookback: 1}}", "InvalidStrategyParameters",
     "strategy.parameters.entry_lookback", "greater than or equal to 2 (given: 1)"),
    ("strategy: {name: moving-average-cross, parameters: {fast: 50, slow: 20}}", "InvalidStrategyParameters",
     "strategy.parameters", "fast (50) must be less than slow (20)"),
    ("strategy: {name: breakout, symbols: [BTC]}", "InvalidConfiguration", "strategy.symbols", "BASE/QUOTE"),
    ("strategy: {name: breakout, symbols: []}", "InvalidConfiguration", "strategy.symbols", "at least 1 item"),
    ("strategy: {name: breakout, symbols: [BTC/USD, BTC/USD]}", "InvalidConfiguration", "strategy.symbols", "once"),
    ("strategy: {name: breakout, symbols: [A/USD, B/EUR]}", "InvalidConfiguration", "strategy.symbols", "one quote"),
    ("strategy: {name: breakout, timeframe: 1x}", "InvalidConfiguration", "strategy.timeframe", "for example 1m"),
    ("strategy: {name: breakout, symbols: [ETH/USD]}\nsimulation: {feed: {type: Recorded}}", "UnknownSymbol",
     "strategy.symbols", "it has BTC/USD"),
    ("strategy: breakout", "InvalidConfiguration", "strategy", "dictionary"),
    ("bot: {}", "InvalidConfiguration", "strategy", "required"),
    ("- a\n- b", "InvalidConfiguration", "config.yaml", "keys and values"),
    ("strategy: {name: breakout", "InvalidConfiguration", "config.yaml is not YAML", "line"),
    ("strategy: {name: breakout}\nstrategy: {name: breakout}", "InvalidConfiguration", "line 2", "comes twice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason", "field", "hint"), STRATEGIES, ids=[line for line, *_ in STRATEGIES])
def test_strategies_and_files_too(tmp_path: Path, text: str, reason: str, field: str, hint: str) -> None:
    error = refused(tmp_path, text)
    assert error.reason == reason
    assert field in error.message
    assert hint in error.message


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, FULL, {"RISK_MAX_DRAWDOWN": "much"})
    assert "risk.max_drawdown" in error.message
    assert "(from the environment variable RISK_MAX_DRAWDOWN)" in error.message
    assert "MAX_RISK_PER_TRADE" in refused(tmp_path, FULL, {"MAX_RISK_PER_TRADE": "x"}).message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"CONFIG_PATH: .*missing.yaml cannot be read"):
        load({"CONFIG_PATH": str(tmp_path / "missing.yaml")})


def test_the_reason_goes_to_the_termination_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "termination-log"
    monkeypatch.setenv("TERMINATION_LOG", str(log))
    monkeypatch.setenv("DB_URL", "postgresql://u:hidden@h/d")
    assert run_bot(Wanted(write(tmp_path, "strategy: {name: brakeout}"))) == 78
    written = json.loads(log.read_text())
    assert written["reason"] == "UnknownStrategy"
    assert "Did you mean breakout?" in written["message"]
    assert "hidden" not in capsys.readouterr().out + log.read_text()


@pytest.mark.parametrize("url", ["not a url", "mysql://h/d", "postgresql://u:hidden@h:port/d"])
def test_without_a_database_it_says_how_to_set_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "log"))
    monkeypatch.delenv("DB_URL", raising=False)
    monkeypatch.setenv("CONFIG_PATH", str(write(tmp_path, FULL)))
    assert run_bot(Wanted()) == 78
    assert "DB_URL" in json.loads((tmp_path / "log").read_text())["message"]
    monkeypatch.setenv("DB_URL", url)
    monkeypatch.setenv("HTTP_PORT", "0")
    assert run_bot(Wanted()) == 78
    message = json.loads((tmp_path / "log").read_text())["message"]
    assert "postgresql://USER:PASSWORD@HOST:PORT/DATABASE" in message
    assert "hidden" not in message


def test_a_strategy_that_cannot_be_loaded_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    broken = EntryPoint("broken", "no.such.module:Thing", registry.GROUP)
    other = EntryPoint("other", "json:dumps", registry.GROUP)
    monkeypatch.setattr(registry, "_points", lambda: {"broken": broken, "other": other})
    found = {entry.name: entry.error for entry in registry.installed()}
    assert "ModuleNotFoundError" in found["broken"]
    assert "not a subclass" in found["other"]
    with pytest.raises(ConfigurationError, match="broken cannot be loaded"):
        registry.factory("broken", {})


def test_the_strategy_key_changes_with_what_matters(tmp_path: Path) -> None:
    one = load({}, write(tmp_path, FULL))
    other = load({}, write(tmp_path, FULL.replace("entry_lookback: 20", "entry_lookback: 21")))
    same = load({}, write(tmp_path, FULL.replace("log_level: INFO", "log_level: ERROR")))
    assert strategy_key(one) != strategy_key(other)
    assert strategy_key(one) == strategy_key(same)
