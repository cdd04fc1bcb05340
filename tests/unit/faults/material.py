"""A small run in which everything is as it has to be; tests plant what is not."""

from dataclasses import dataclass, field, replace
from typing import Any

from cli.demo.figures import Outbound
from cli.faults.books import Broadcast, Ours, Row
from cli.faults.catalogue import RECIPES, Recipe
from cli.faults.evidence import Evidence, Written
from cli.faults.hands import Done
from cli.faults.leaks.sweep import Leak
from cli.faults.operator import Order
from cli.faults.plan import Fault
from cli.faults.publisher import Published

LIMIT = 10
EXPIRES_AT = 1000.0
FAREWELL = "Sie sind abgemeldet."
CITIZENS = range(1, 7)


def template(citizen: int, broadcast: str = "b1", **changes: Any) -> Outbound:
    """What citizen n gets of a broadcast, at second 10 + n."""
    message = Outbound(
        citizen=citizen,
        delivery=f"{broadcast}-{citizen}",
        template=True,
        text=f"Thema: *{broadcast} ist da*\n\nText",
        accepted_at=10.0 + citizen,
        state="delivered",
    )
    return replace(message, **changes)


def reply(citizen: int, accepted_at: float, text: str = FAREWELL) -> Outbound:
    return Outbound(citizen, f"r-{citizen}-{accepted_at}", False, text, accepted_at, "delivered")


def row(citizen: int, broadcast: str = "b1", **changes: Any) -> Row:
    return replace(Row(f"{broadcast}-{citizen}", broadcast, "delivered", EXPIRES_AT), **changes)


@dataclass
class Scene:
    """Both sides' books of one broadcast to six citizens; change lists to plant something."""

    outbound: list[Outbound] = field(default_factory=lambda: [template(citizen) for citizen in CITIZENS])
    ledger: list[Row] = field(default_factory=lambda: [row(citizen) for citizen in CITIZENS])
    written: list[Written] = field(default_factory=list)
    handled: int = 0
    replies_due: int = 0
    broadcasts: list[Broadcast] = field(
        default_factory=lambda: [Broadcast("b1", "n1", len(CITIZENS), True, False, EXPIRES_AT)]
    )
    published: list[Published] = field(default_factory=lambda: [Published("n1", "b1 ist da", True)])
    faults: list[Done] = field(default_factory=list)
    stalls: list[Any] = field(default_factory=list)
    counters: dict[tuple[str, str], int] | None = None
    leaks: list[Leak] = field(default_factory=list)
    movers: list[int] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    waiting: list[tuple[float, float]] = field(default_factory=list)
    strays_ready: int = 0

    def evidence(self) -> Evidence:
        counters: dict[tuple[str, str], int] = {}
        for one in self.ledger:
            if one.broadcast:
                counters[one.broadcast, one.state] = counters.get((one.broadcast, one.state), 0) + 1
        ours = Ours(
            handled=self.handled,
            replies_due=self.replies_due,
            broadcasts=tuple(self.broadcasts),
            ledger=tuple(self.ledger),
            counters=counters if self.counters is None else self.counters,
        )
        return Evidence(
            outbound=self.outbound,
            written=self.written,
            ours=ours,
            published=self.published,
            loyal=frozenset(CITIZENS) - frozenset(self.movers),
            movers=frozenset(self.movers),
            farewells=(FAREWELL,),
            orders=self.orders,
            faults=self.faults,
            stalls=self.stalls,
            limit=LIMIT,
            request_seconds=5.0,
            leaks=self.leaks,
            attempts=self.attempts,
            waiting=self.waiting,
            strays_ready=self.strays_ready,
        )


def recipe(kind: str) -> Recipe:
    return next(one for one in RECIPES if one.kind == kind)


def done(kind: str, began: float, repaired: float) -> Done:
    chosen = recipe(kind)
    return Done(Fault(0.0, chosen, chosen.targets[0], 0.0), began, repaired)
