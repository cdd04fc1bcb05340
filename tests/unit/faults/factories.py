"""A small run in which everything is as it has to be; tests plant what is not."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.client import AcceptedMessage
from tests.faults.evidence import CitizenMessage, Evidence
from tests.faults.fault_types import DISPATCHERS, build_fault_types
from tests.faults.injector import InjectedFault
from tests.faults.leaks.scanner import Leak
from tests.faults.ledger_snapshot import BroadcastSnapshot, DeliverySnapshot, LedgerSnapshot
from tests.faults.notice_traffic import PublishedNotice
from tests.faults.operator_actions import OperatorCommand
from tests.faults.plan import Fault

LIMIT = 10
EXPIRES_AT = 1000.0
CONFIRMATION = "Sie sind abgemeldet."
CITIZENS = range(1, 7)


def build_broadcast_message(citizen: int, broadcast: str = "b1", **changes: Any) -> AcceptedMessage:
    """Return what citizen n gets of a broadcast, at second 10 + n."""
    message = AcceptedMessage(
        citizen=citizen,
        delivery=f"{broadcast}-{citizen}",
        template=True,
        text=f"Thema: *{broadcast} ist da*\n\nText",
        accepted_at=10.0 + citizen,
        state="delivered",
    )
    return replace(message, **changes)


def build_reply(citizen: int, accepted_at: float) -> AcceptedMessage:
    return AcceptedMessage(citizen, f"r-{citizen}-{accepted_at}", False, CONFIRMATION, accepted_at, "delivered")


def build_row(citizen: int, broadcast: str = "b1", **changes: Any) -> DeliverySnapshot:
    return replace(DeliverySnapshot(f"{broadcast}-{citizen}", broadcast, "delivered", EXPIRES_AT), **changes)


@dataclass
class EvidenceBuilder:
    """Both sides' records of one broadcast to six citizens; change lists to plant something."""

    outbound: list[AcceptedMessage] = field(
        default_factory=lambda: [build_broadcast_message(citizen) for citizen in CITIZENS]
    )
    ledger: list[DeliverySnapshot] = field(default_factory=lambda: [build_row(citizen) for citizen in CITIZENS])
    written: list[CitizenMessage] = field(default_factory=list)
    handled: int = 0
    replies_due: int = 0
    broadcasts: list[BroadcastSnapshot] = field(
        default_factory=lambda: [BroadcastSnapshot("b1", "n1", len(CITIZENS), True, False, EXPIRES_AT)]
    )
    published: list[PublishedNotice] = field(default_factory=lambda: [PublishedNotice("n1", "b1 ist da", True)])
    faults: list[InjectedFault] = field(default_factory=list)
    stalls: list[Any] = field(default_factory=list)
    counters: dict[tuple[str, str], int] | None = None
    leaks: list[Leak] = field(default_factory=list)
    movers: list[int] = field(default_factory=list)
    operator_commands: list[OperatorCommand] = field(default_factory=list)
    withdrawals: list[float] = field(default_factory=list)
    attempts: list[float] = field(default_factory=list)
    waiting: list[tuple[float, float]] = field(default_factory=list)
    wrong_key_ready_count: int = 0

    def build(self) -> Evidence:
        values = dict(vars(self))
        ledger, counters = values.pop("ledger"), values.pop("counters")
        ours = LedgerSnapshot(
            handled=values.pop("handled"),
            replies_due=values.pop("replies_due"),
            broadcasts=tuple(values.pop("broadcasts")),
            ledger=tuple(ledger),
            counters=Counter((one.broadcast, one.state) for one in ledger if one.broadcast)
            if counters is None
            else counters,
        )
        movers = frozenset(values.pop("movers"))
        return Evidence(
            **values,
            ours=ours,
            loyal=frozenset(CITIZENS) - movers,
            movers=movers,
            confirmations=(CONFIRMATION,),
            limit=LIMIT,
            request_seconds=5.0,
        )


def build_injected_fault(kind: str, began: float, repaired: float) -> InjectedFault:
    chosen = next(one for one in build_fault_types(DISPATCHERS) if one.kind == kind)
    return InjectedFault(Fault(0.0, chosen, chosen.targets[0], 0.0), began, repaired)
