"""What every venue promises, simulated or real. A subclass gives a `ground` to stand on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from tests.component.bot.ccxt.world import SYMBOL, intent

from tradingbot.domain.orders import OrderType, Role, Side
from tradingbot.ports.venue import Absent, Accepted, Found, Refused, Unavailable, VenueReport

if TYPE_CHECKING:
    from tradingbot.ports.venue import Venue


class Ground(Protocol):
    """A venue with 1,000,000 USDT, and a market at 50,000 that the test moves."""

    venue: Venue
    fee_in_base: bool
    """Purchases pay their fee in the base currency."""

    def move(self, price: str) -> None:
        """Let the market trade at a price."""
        ...

    def wait(self) -> None:
        """Let the visibility delay pass."""
        ...


async def told(ground: Ground, since: int = 0) -> VenueReport:
    report = await ground.venue.report(since)
    assert not isinstance(report, Unavailable), report
    return report


async def bought(ground: Ground, client_id: str = "entry") -> Decimal:
    """Hold 0.01 more than before; return what is held now."""
    before = (await told(ground)).balances.get("BTC", Decimal(0))
    assert isinstance(await ground.venue.submit(intent(client_id, limit_price=Decimal(49_990))), Accepted)
    ground.move("49900")
    held = (await told(ground)).balances["BTC"]
    assert before < held <= before + Decimal("0.01")
    return held


def closing(client_id: str, quantity: Decimal, **more: Any) -> Any:
    settings = {"side": Side.SELL, "reduce_only": True, "quantity": quantity, "limit_price": None, **more}
    return intent(client_id, **{"type": OrderType.MARKET, "role": Role.EXIT, **settings})


class VenueContract:
    """The promises of `ports.venue.Venue`."""

    async def test_a_resting_order_is_found_listed_and_taken_back(self, ground: Ground) -> None:
        venue = ground.venue
        assert isinstance(await venue.submit(intent("one")), Accepted)
        found = await venue.look_up("one", SYMBOL)
        assert isinstance(found, Found)
        assert (found.live, found.filled) == (True, Decimal(0))
        [listed] = (await told(ground)).orders
        assert (listed.client_id, listed.symbol, listed.filled) == ("one", SYMBOL, Decimal(0))
        assert isinstance(await venue.cancel("one", SYMBOL), Accepted)
        found = await venue.look_up("one", SYMBOL)
        assert isinstance(found, Found)
        assert (found.live, found.filled) == (False, Decimal(0))
        assert (await told(ground)).orders == ()

    async def test_an_order_sent_twice_exists_once(self, ground: Ground) -> None:
        assert isinstance(await ground.venue.submit(intent("twice")), Accepted)
        await ground.venue.submit(intent("twice"))
        assert [order.client_id for order in (await told(ground)).orders] == ["twice"]
        ground.move("48900")
        await ground.venue.submit(intent("twice"))
        ground.move("48800")
        report = await told(ground)
        assert report.orders == ()
        assert sum(fill.quantity for fill in report.fills) == Decimal("0.01")

    async def test_an_unknown_order_is_absent_only_after_a_second_look(self, ground: Ground) -> None:
        assert not isinstance(await ground.venue.look_up("never", SYMBOL), Found)
        ground.wait()
        assert await ground.venue.look_up("never", SYMBOL) == Absent()

    async def test_a_cancel_of_an_unknown_order_is_no_success(self, ground: Ground) -> None:
        assert not isinstance(await ground.venue.cancel("never", SYMBOL), Accepted)

    async def test_a_refused_order_does_not_exist(self, ground: Ground) -> None:
        refusals = {
            "small": intent("small", quantity=Decimal("0.00001")),
            "elsewhere": intent("elsewhere", symbol="XYZ/USDT"),
            "nothing": intent("nothing", quantity=Decimal(0)),
            "naked": closing("naked", Decimal("0.01"), side=Side.BUY),
        }
        for client_id, approved in refusals.items():
            assert isinstance(await ground.venue.submit(approved), Refused), client_id
        report = await told(ground)
        assert (report.orders, report.fills) == ((), ())

    async def test_a_quantity_off_the_lot_is_never_raised(self, ground: Ground) -> None:
        await ground.venue.submit(intent("odd", quantity=Decimal("0.010009"), limit_price=Decimal(49_990)))
        ground.move("49900")
        assert sum(fill.quantity for fill in (await told(ground)).fills) in {Decimal(0), Decimal("0.01")}

    async def test_a_fill_is_told_once_and_the_money_adds_up(self, ground: Ground) -> None:
        before = await told(ground)
        assert isinstance(await ground.venue.submit(intent("fills", limit_price=Decimal(49_990))), Accepted)
        ground.move("49900")
        after = await told(ground)
        assert len({fill.trade_id for fill in after.fills}) == len(after.fills)
        assert {fill.client_id for fill in after.fills} == {"fills"}
        quantity = sum((fill.quantity for fill in after.fills), Decimal(0))
        paid = sum((fill.quantity * fill.price for fill in after.fills), Decimal(0))
        fees = sum((fill.fee for fill in after.fills), Decimal(0))
        assert (quantity, fees > 0) == (Decimal("0.01"), True)
        spent = before.balances["USDT"] - after.balances["USDT"]
        got = after.balances["BTC"] - before.balances.get("BTC", Decimal(0))
        if ground.fee_in_base:
            assert (spent, (quantity - got) * Decimal(49_990)) == (paid, fees)
        else:
            assert (spent, got) == (paid + fees, quantity)
        found = await ground.venue.look_up("fills", SYMBOL)
        assert isinstance(found, Found)
        assert (found.live, found.filled) == (False, quantity)
        again = await told(ground)
        assert (again.fills, again.balances) == (after.fills, after.balances)

    async def test_a_cancel_after_the_fill_invents_nothing(self, ground: Ground) -> None:
        await bought(ground)
        await ground.venue.cancel("entry", SYMBOL)
        found = await ground.venue.look_up("entry", SYMBOL)
        assert isinstance(found, Found)
        assert (found.live, found.filled) == (False, Decimal("0.01"))

    async def test_a_stop_rests_at_the_venue_and_fires(self, ground: Ground) -> None:
        held = await bought(ground)
        stop = closing("stop", Decimal("0.01"), type=OrderType.STOP, role=Role.STOP, stop_price=Decimal(48_000))
        assert isinstance(await ground.venue.submit(stop), Accepted)
        assert [order.client_id for order in (await told(ground)).orders] == ["stop"]
        ground.move("47990")
        ground.move("47980")
        report = await told(ground)
        assert report.orders == ()
        assert report.balances["BTC"] < held
        assert [fill.client_id for fill in report.fills if fill.client_id == "stop"] == ["stop"]

    async def test_a_close_sells_no_more_than_is_held(self, ground: Ground) -> None:
        await bought(ground)
        outcome = await ground.venue.submit(closing("close", Decimal(5)))
        assert isinstance(outcome, Accepted), outcome
        ground.move("49900")
        report = await told(ground)
        assert report.orders == ()
        assert Decimal(0) <= report.balances["BTC"] < Decimal("0.00001")
