"""Evidence of a run: everything that both sides recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deploy.paths import CONFIG
from services.subscriptions.domain.county import County
from services.subscriptions.domain.privacy import build_erasure_reply
from services.subscriptions.domain.replies import ReplyBuilder
from services.subscriptions.domain.wording import build_wordings
from shared.notices.configuration import read_configuration
from simulator.client import AcceptedMessage, SimulatorClient
from simulator.clock import Stall
from tests.faults.injector import InjectedFault
from tests.faults.leaks.scanner import Leak
from tests.faults.ledger_snapshot import LedgerSnapshot
from tests.faults.notice_traffic import PublishedNotice
from tests.faults.operator_actions import OperatorCommand


@dataclass(frozen=True)
class CitizenMessage:
    """A message of a citizen, and when its webhook was answered; times in seconds since 1970."""

    citizen: int
    text: str
    written_at: float
    answered_at: float | None


@dataclass(frozen=True)
class Evidence:
    """Records of both sides, the published notices, and the faults.

    `loyal` citizens sent nothing but one Start, nor did `movers`, who changed their number. `confirmations` are the
    first lines of the texts that confirm a Stop or an erasure.

    `operator_commands` are broadcasts forbidden by an operator, `withdrawals` the times at which notices were
    withdrawn; `sent_again` and `settled` count the failed and unknown outcomes that were ended by command. `limit` is
    the rate in messages per second, `request_seconds` the longest duration of a request to Meta.

    `stalls` are times in which the simulator or the proxies themselves stalled, `attempts` the times of all requests
    that reached Meta, `waiting` the spans in which work was waiting. `wrong_key_ready_count` counts replicas with a
    wrong key that reported ready. `leaks` are places with personal data, `searched` the amounts searched.
    """

    outbound: Sequence[AcceptedMessage]
    written: Sequence[CitizenMessage]
    ours: LedgerSnapshot
    published: Sequence[PublishedNotice]
    loyal: frozenset[int]
    movers: frozenset[int]
    confirmations: tuple[str, ...]
    faults: Sequence[InjectedFault]
    stalls: Sequence[Stall]
    limit: int
    request_seconds: float
    operator_commands: Sequence[OperatorCommand] = ()
    withdrawals: Sequence[float] = ()
    sent_again: int = 0
    settled: int = 0
    attempts: Sequence[float] = ()
    waiting: Sequence[tuple[float, float]] = ()
    wrong_key_ready_count: int = 0
    leaks: Sequence[Leak] = ()
    searched: Mapping[str, int] = field(default_factory=dict)


async def read_simulator_account(simulator: SimulatorClient) -> tuple[list[AcceptedMessage], list[CitizenMessage]]:
    """Return the messages that the simulator accepted, and those that its citizens wrote."""
    return await simulator.fetch_outbound(), [_parse_written(row) for row in await simulator.fetch_inbound()]


def read_confirmations() -> tuple[str, ...]:
    """Return the first lines of the texts that confirm a Stop and an erasure."""
    county = read_configuration(CONFIG / "county.toml", County)
    texts = (
        build_wordings(county).unsubscribe_confirmation.text,
        build_erasure_reply(ReplyBuilder(county), datetime.now(UTC), consented=True).text,
    )
    return tuple(text.partition("\n")[0] for text in texts)


def _parse_written(row: dict[str, Any]) -> CitizenMessage:
    return CitizenMessage(row["citizen"], row["text"], row["written_at"], row["answered_at"])
