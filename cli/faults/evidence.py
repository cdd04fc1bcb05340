"""All that both sides wrote down during a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.demo.figures import AcceptedMessage
from cli.demo.ledger_reader import open_ledger_reader
from cli.demo.simulator import SimulatorClient
from cli.faults.injector import InjectedFault
from cli.faults.leaks.scanner import Leak
from cli.faults.ledger_snapshot import LedgerSnapshot, read_snapshot
from cli.faults.notice_traffic import PublishedNotice
from cli.faults.operator_actions import OperatorCommand
from deploy.local.environments import CONFIG
from services.subscriptions.domain.county import County
from services.subscriptions.domain.privacy import build_erasure_reply
from services.subscriptions.domain.replies import ReplyBuilder
from services.subscriptions.domain.wording import build_wordings
from shared.notices.config import read_configuration
from simulator.stalls import Stall


@dataclass(frozen=True)
class CitizenMessage:
    """What a citizen wrote, and when the webhook with it was answered; times in seconds since 1970."""

    citizen: int
    text: str
    written_at: float
    answered_at: float | None


@dataclass(frozen=True)
class Evidence:
    """Both sides' books, what was published, and the faults.

    `loyal` citizens never said anything but one Start, nor did `movers`, who changed their number.

    `farewells` are how the texts begin that confirm a Stop or an erasure. `orders` are what an operator forbade,
    `sent_again` and `settled` how many failed and unknown outcomes were ended by command. `request_seconds` is how long
    a request to Meta may be under way. `stalls` are times in which the simulator or the proxies stood still themselves,
    `attempts` are the moments of all requests that reached Meta, `waiting` the times in which work waited, and
    `wrong_key_ready_count` is how often a replica with a wrong key said that it is ready. `leaks` are places in which
    something
    personal was found, `searched` how much was looked through.
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
    sent_again: int = 0
    settled: int = 0
    attempts: Sequence[float] = ()
    waiting: Sequence[tuple[float, float]] = ()
    wrong_key_ready_count: int = 0
    leaks: Sequence[Leak] = ()
    searched: Mapping[str, int] = field(default_factory=dict)


async def read_simulator_account(simulator: SimulatorClient) -> tuple[list[AcceptedMessage], list[CitizenMessage]]:
    """The simulator's account: what it accepted, and what its citizens wrote."""
    return await simulator.fetch_outbound(), [_parse_written(row) for row in await simulator.fetch_inbound()]


async def read_ledger_snapshot(url: str) -> LedgerSnapshot:
    async with open_ledger_reader(url) as books:
        return await read_snapshot(books)


def read_confirmations() -> tuple[str, ...]:
    """The first lines of the texts that confirm a Stop and an erasure."""
    county = read_configuration(CONFIG / "county.toml", County)
    texts = (
        build_wordings(county).unsubscribe_confirmation.text,
        build_erasure_reply(ReplyBuilder(county), datetime.now(UTC), consented=True).text,
    )
    return tuple(text.partition("\n")[0] for text in texts)


def _parse_written(row: dict[str, Any]) -> CitizenMessage:
    return CitizenMessage(row["citizen"], row["text"], row["written_at"], row["answered_at"])
