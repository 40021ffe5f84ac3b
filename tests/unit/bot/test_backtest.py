"""The backtest is the simulation: same ledger as the step path and as the runner, whatever the hash seed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.bot.test_golden import GOLDEN
from typer.testing import CliRunner, Result

from tradingbot import terms
from tradingbot.backtest import result as results
from tradingbot.backtest.record import LedgerHash
from tradingbot.backtest.run import Backtest
from tradingbot.backtest.setup import Options, market, settings
from tradingbot.cli.main import app
from tradingbot.config.model import Settings
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.money import total
from tradingbot.feeds import catalogue
from tradingbot.observe import health
from tradingbot.observe.metrics import Metrics
from tradingbot.runtime.clock import WallClock
from tradingbot.runtime.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradingbot.ports.store import Batch

TEN_DAYS = "2022-01-10T23:01"
"""14,400 candles after the first: what the golden ledgers were made of."""
SHORT = Options(end="2022-01-07", strategy="momentum", parameters=("cooldown=0", "threshold=0.004", "lookback=30"))


def trade(options: Options, **bot: str) -> Backtest:
    wanted = settings(options, {})
    if bot:
        wanted = Settings.model_validate({**wanted.model_dump(), "bot": bot})
    found = market(wanted, options)
    backtest = Backtest(wanted, found)
    backtest.run()
    found.source.close()
    return backtest


@pytest.mark.parametrize(("strategy", "seed"), list(GOLDEN))
def test_the_ledger_is_the_one_of_the_step_path(strategy: str, seed: int) -> None:
    options = Options(strategy=strategy, seed=seed, end=TEN_DAYS)
    backtest = trade(options, namespace="test", name="bot")
    record = backtest.record
    found = f"{record.ledger.hexdigest()} {len(record.trades)} {backtest.engine.equity}"
    assert found == GOLDEN[strategy, seed]


NEW_GOLDEN = {
    "mean-reversion": "d72a7f32440818f413ad05343943af56f07db292a5ca27f32429ecb695962c1b 48 9823.68931338",
    "momentum": "7bbeb7c8ea424df6cc70e36261cc69590ddbb9dbc21b9adcd5bbbc694094ed33 41 9545.68061587",
}
"""A change of these is a change of what the bot does with money: it belongs into the commit's message, with a why."""


@pytest.mark.parametrize("strategy", list(NEW_GOLDEN))
def test_the_ledger_of_ten_days_stays_what_it_was(strategy: str) -> None:
    backtest = trade(Options(strategy=strategy, seed=0, end=TEN_DAYS))
    record = backtest.record
    assert f"{record.ledger.hexdigest()} {len(record.trades)} {backtest.engine.equity}" == NEW_GOLDEN[strategy]


class MemoryStore:
    """Takes what the runner commits."""

    def __init__(self) -> None:
        self.ledger = LedgerHash()
        self.batches = 0

    async def commit(self, batch: Batch, epoch: int) -> int:
        assert epoch == 1
        self.batches += 1
        for post in batch.posts:
            self.ledger.add(post)
        return batch.seq


class Lease:
    epoch, valid = 1, True


async def test_the_ledger_is_the_one_that_a_simulation_commits() -> None:
    """The runner of `tradingbot run` with commit before send, candle by candle, against the backtest's shortcut."""
    backtest = trade(SHORT)
    assert len(backtest.record.trades) > 20
    wanted = settings(SHORT, {})
    found = market(wanted, SHORT)
    again = Backtest(wanted, found)
    clock = WallClock()
    store: Any = MemoryStore()
    lease: Any = Lease()
    metrics = Metrics("momentum", "Spot", "none")
    runner = Runner(
        again.engine, again.driver.venue, store, lease, clock, health.new(clock), metrics, lambda _: None, 0, {}
    )
    runner.collect(again.engine.open_account(found.begin))
    await runner.flush(force=True)
    for event in again.events():
        await runner.on_market(event)
    found.source.close()
    assert store.batches > 100
    assert store.ledger.hexdigest() == backtest.record.ledger.hexdigest()
    assert again.engine.equity == backtest.engine.equity


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in {"CONFIG_PATH", "DATA_PATH"}}
    return subprocess.run(
        [sys.executable, "-m", "tradingbot.cli.main", "backtest", *arguments],
        capture_output=True,
        text=True,
        env={**clean, **environment},
        check=False,
    )


def test_the_whole_document_is_the_same_under_any_hash_seed() -> None:
    arguments = ["--to", "2022-01-05", "--strategy", "mean-reversion", "--param", "cooldown=0", "--seed", "3", "--json"]
    found = {command(*arguments, PYTHONHASHSEED=seed).stdout for seed in ("0", "1", "4242")}
    (document,) = found
    assert json.loads(document)["ledger"]["postings"] > 10
    other = command(*[*arguments[:-2], "4", "--json"]).stdout
    assert json.loads(other)["inputs"]["seed"] == 4


SHORT_SELLING = """
strategy: {name: momentum, parameters: {cooldown: 0, threshold: 0.004, allow_short: true}}
exchange: {market_type: Futures}
"""
PARTIAL_FILLS = """
strategy: {name: breakout, parameters: {cooldown: 0}}
simulation: {feed: {type: Synthetic}, latency_milliseconds: 0, volume_share: 0.0001}
"""


@pytest.mark.parametrize(
    ("config", "end"), [("", "2022-01-07"), (SHORT_SELLING, "2022-01-14"), (PARTIAL_FILLS, "2024-01-08")]
)
def test_the_result_adds_up(tmp_path: Path, config: str, end: str) -> None:
    options = SHORT
    if config:
        (tmp_path / "c.yaml").write_text(config)
        options = Options(config=tmp_path / "c.yaml", end=end)
    backtest = trade(options)
    result = results.build(backtest)
    if config == SHORT_SELLING:
        assert {trip.direction for trip in result.round_trips} == {"long", "short"}
    if config == PARTIAL_FILLS:
        assert max(trip.fills for trip in result.round_trips) > 4
    record, metrics = backtest.record, result.metrics
    assert metrics.fees == total(trade.fee for trade in record.trades) == backtest.engine.state.book.fees("USD")
    profit = total(trip.profit for trip in result.round_trips)
    unrealized = backtest.engine.unrealized()
    assert metrics.final_equity == metrics.capital + profit + unrealized
    assert metrics.trades == sum(trip.closed is not None for trip in result.round_trips)
    assert sum(trip.fills for trip in result.round_trips) == metrics.fills == len(record.trades)
    assert metrics.orders == len(result.orders)
    assert {order.state for order in result.orders} <= {"FILLED", "CANCELED", "EXPIRED", "OPEN", "PARTIAL"}
    assert result.curve.equity[0] == float(metrics.capital)
    assert max(result.curve.drawdown) == pytest.approx(metrics.max_drawdown.depth, abs=1e-8)
    assert metrics.slippage > 0
    assert results.encode(result) == results.encode(results.build(trade(options)))
    assert json.loads(results.encode(result))["metrics"]["final_equity"] == f"{metrics.final_equity}"


def test_denials_are_counted_by_code_with_their_meaning() -> None:
    options = Options(end="2022-01-10", strategy="momentum", parameters=("allow_short=true", "threshold=0.004"))
    result = results.build(trade(options))
    (denial,) = [found for found in result.denials if found.code == "SHORT_NOT_POSSIBLE"]
    assert denial.count > 1
    assert denial.meaning == "a spot market has no short positions, or a feature flag forbids them"


def test_a_limit_that_ends_trading_is_said_first(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "strategy: {name: breakout}\nrisk: {daily_loss_limit: 0.002}\nsimulation: {feed: {type: Recorded}}\n"
    )
    result = results.build(trade(Options(config=file, end="2022-01-08")))
    (halt,) = result.halts
    assert halt["source"] == "daily_loss"
    assert result.inputs.config_sha256
    assert "STATE_BLOCKS_ENTRIES" in {denial.code for denial in result.denials}


def test_a_start_in_the_middle_warms_the_strategy_up() -> None:
    backtest = trade(Options(begin="2022-01-05", end="2022-01-06", strategy="momentum"))
    assert backtest.record.candles == 1440
    assert backtest.engine.strategies["BTC/USD"].state.trend.value is not None
    fresh = trade(Options(end="2022-01-01", strategy="momentum"))
    assert fresh.record.candles == 59


def test_several_symbols_and_the_synthetic_market() -> None:
    options = Options(data="synthetic", symbols=("BTC/USD", "ETH/USD"), end="2024-01-04", seed=5)
    first, second = (results.build(trade(options)) for _ in range(2))
    assert first.inputs.symbols == ("BTC/USD", "ETH/USD")
    assert first.ledger == second.ledger
    assert first.inputs.candles >= 2 * 3 * 1440 - 2
    assert first.inputs.files == ()
    assert first.inputs.dataset == ""
    assert set(first.prices) == {"BTC/USD", "ETH/USD"}


def test_inputs_say_which_bytes_were_traded() -> None:
    result = results.build(trade(Options(end="2022-01-01T01:00")))
    names = {file.name for file in result.inputs.files}
    assert names == {"recorded/BTC-USD/1m.parquet", "recorded/BTC-USD/instrument.json"}
    assert all(len(file.sha256) == 64 for file in result.inputs.files)
    assert result.inputs.parameters["entry_lookback"] == "20"


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [
        (Options(strategy="brakeout"), "UnknownStrategy", "Did you mean breakout?"),
        (Options(parameters=("entry_lookback",)), "InvalidConfiguration", "write it as name=value"),
        (Options(parameters=("entry_lookback=1",)), "InvalidStrategyParameters", "strategy.parameters.entry_lookback"),
        (Options(parameters=("entry_lokback=9",)), "InvalidStrategyParameters", "did you mean entry_lookback?"),
        (Options(symbols=("BTC",)), "InvalidConfiguration", "strategy.symbols"),
        (Options(symbols=("ETH/USD",)), "UnknownSymbol", "it has BTC/USD"),
        (Options(timeframe="7x"), "InvalidConfiguration", "strategy.timeframe"),
        (Options(data="nowhere"), "DataNotFound", "known are recorded"),
        (Options(data="./nowhere"), "DataNotFound", "there is no such folder"),
        (Options(begin="yesterday"), "InvalidConfiguration", "--from yesterday: write a date"),
        (Options(begin="2022-01-05", end="2022-01-04"), "InvalidConfiguration", "must lie before --to"),
        (Options(begin="2023-01-01"), "DataNotFound", "the data goes from 2021-12-31T23:01:00Z"),
        (Options(seed=-1), "InvalidConfiguration", "simulation.seed"),
        (Options(data="synthetic", end="2020-01-01"), "DataNotFound", "begins on 2024-01-01"),
        (Options(config=Path("missing.yaml")), "InvalidConfiguration", "missing.yaml"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_write(options: Options, reason: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        trade(options)
    assert caught.value.reason == reason
    assert words in caught.value.message


@pytest.mark.parametrize("below", ["", "candles/mine"])
def test_a_folder_of_candles_is_found(tmp_path: Path, below: str) -> None:
    folder = tmp_path / "candles" / "mine" / "BTC-USD"
    folder.mkdir(parents=True)
    for path in (catalogue.PACKAGED / "candles" / "recorded" / "BTC-USD").glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    result = results.build(trade(Options(data=str(tmp_path / below), end="2022-01-02")))
    assert result.inputs.files[0].name == "mine/BTC-USD/1m.parquet"


def test_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected candles/<dataset>/<BASE-QUOTE>/<timeframe>\.parquet"):
        settings(Options(data=str(tmp_path)), {})


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backtest", "--to", "2022-01-02", *arguments])


def test_the_command_prints_a_summary_and_writes_both_files(tmp_path: Path) -> None:
    done = invoke("--output", str(tmp_path / "new"))
    assert done.exit_code == 0
    for words in ("breakout on BTC/USD 1m", "final equity", "Sharpe (daily, 365)", "buy and hold", "ledger sha256"):
        assert words in done.stdout
    document = json.loads((tmp_path / "new" / "backtest.json").read_bytes())
    assert document["format"] == "tradingbot-backtest/1"
    assert Decimal(document["metrics"]["final_equity"]) > 0
    assert (tmp_path / "new" / "report.html").read_text().startswith("<!doctype html>")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["backtest.json", "report.html"]


def test_json_prints_the_document_and_nothing_else(tmp_path: Path) -> None:
    done = command("--to", "2022-01-02", "--json", "--output", str(tmp_path))
    assert done.returncode == 0
    assert done.stdout.encode() == (tmp_path / "backtest.json").read_bytes()
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--strategy", "brakeout"], 78),
        (["--param", "cooldown=-1"], 78),
        (["--symbol", "ETH/USD"], 65),
        (["--from", "2030-01-01", "--to", "2031-01-01"], 65),
        (["--seed", "x"], 2),
        (["--unknown"], 2),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    done = invoke(*arguments)
    assert done.exit_code == code
    assert done.stdout == ""
    assert done.stderr.strip()


def test_a_folder_that_cannot_be_made_is_found_out_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = invoke("--output", str(tmp_path / "file" / "below"))
    assert done.exit_code == 74
    assert "cannot write or read a file" in done.stderr


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """What a disk does that is full: to this process, no file grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("first", [0, 1], ids=["neither file fits", "one of the two fits"])
def test_on_a_full_disk_the_report_from_before_stays_whole_and_the_way_out_is_said(tmp_path: Path, first: int) -> None:
    market = ("--data", "synthetic", "--to", "2024-01-02")
    assert invoke("--output", str(tmp_path), *market).exit_code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    room = first * min(len(content) for content in before.values()) + 64
    with no_file_longer_than(room):
        done = invoke("--output", str(tmp_path), "--param", "entry_lookback=30", *market)
    assert done.exit_code == 74
    assert "cannot write or read a file" in done.stderr
    assert "choose another folder with --output; a report that was there before is kept" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before, "nothing half, nothing beside it"
    assert invoke("--output", str(tmp_path), "--param", "entry_lookback=30", *market).exit_code == 0
    assert (tmp_path / "backtest.json").read_bytes() != before["backtest.json"]


@pytest.mark.parametrize("room", [0, 4096])
def test_candles_that_do_not_fit_into_the_temporary_folder_are_not_traded_as_far_as_they_do(room: int) -> None:
    with no_file_longer_than(room):
        done = invoke()
    assert done.exit_code == 65
    assert "1m.parquet" in done.stderr
    assert "File too large" in done.stderr or "set TMPDIR to another folder" in done.stderr


def test_a_strategy_that_raises_ends_trading_with_its_own_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tradingbot.strategy.builtin.breakout import Breakout

    def fail(*_: object) -> Any:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Breakout, "on_candle", fail)
    done = invoke("--output", str(tmp_path))
    assert done.exit_code == 70
    assert "strategy breakout raised ZeroDivisionError: division by zero" in done.stderr
    document = json.loads((tmp_path / "backtest.json").read_bytes())
    assert document["halts"][0]["source"] == "strategy"


def test_the_environment_counts_and_options_count_more() -> None:
    environment = {"SIMULATION_COMMISSION": "0.002"}
    found = settings(Options(seed=9, parameters=("cooldown=3",)), environment)
    assert terms.rules(found).commission == Decimal("0.002")
    assert (found.simulation.seed, found.strategy.parameters) == (9, {"cooldown": "3"})


def test_a_configuration_that_names_no_feed_is_tried_on_the_recorded_past(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("strategy: {name: breakout}\n")
    assert settings(Options(config=file), {}).simulation.feed.type.value == "Recorded"
    file.write_text("strategy: {name: breakout}\nsimulation: {feed: {type: Synthetic}}\n")
    assert settings(Options(config=file), {}).simulation.feed.type.value == "Synthetic"


def test_parameters_of_one_strategy_are_not_given_to_another(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("strategy: {name: breakout, parameters: {entry_lookback: 55}}\n")
    assert settings(Options(config=file, strategy="momentum"), {}).strategy.parameters == {}
    assert settings(Options(config=file), {}).strategy.parameters == {"entry_lookback": 55}
