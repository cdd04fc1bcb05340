"""Evidence of a run: everything that both sides recorded."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from deploy.paths import CONFIG
from services.subscriptions.domain.county import County
from services.subscriptions.domain.privacy import build_erasure_reply
from services.subscriptions.domain.replies import ReplyBuilder
from services.subscriptions.domain.wording import build_wordings
from shared.notices.configuration import read_configuration
from simulator.client import FAILED, AcceptedMessage
from simulator.clock import Stall
from tests.faults.injector import InjectedFault
from tests.faults.leaks.scanner import Leak
from tests.faults.ledger_snapshot import DeliverySnapshot, LedgerSnapshot
from tests.faults.notice_traffic import PublishedNotice
from tests.faults.operator_actions import OperatorCommand

_BOLD = re.compile(r"\*([^*]+)\*")


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

    @cached_property
    def delivered(self) -> Sequence[AcceptedMessage]:
        """The messages that Meta accepted and did not report as failed later."""
        return [message for message in self.outbound if message.state != FAILED]

    @cached_property
    def missed(self) -> Sequence[DeliverySnapshot]:
        """The rows of the ledger without such a message."""
        delivered = {message.delivery for message in self.delivered}
        return [row for row in self.ours.ledger if row.delivery not in delivered]

    @cached_property
    def broadcast_ids(self) -> Mapping[str, str]:
        """The ids of broadcasts by their notice."""
        return {broadcast.notice: broadcast.id for broadcast in self.ours.broadcasts}

    @cached_property
    def recipients(self) -> Mapping[str, set[int]]:
        """The citizens who got each headline, which the templates print in bold."""
        recipients: dict[str, set[int]] = defaultdict(set)
        for message in self.delivered:
            if message.template:
                headline = _BOLD.search(message.text)
                recipients[headline[1] if headline else ""].add(message.citizen)
        return recipients


def read_confirmations() -> tuple[str, ...]:
    """Return the first lines of the texts that confirm a Stop and an erasure."""
    county = read_configuration(CONFIG / "county.toml", County)
    texts = (
        build_wordings(county).unsubscribe_confirmation.text,
        build_erasure_reply(ReplyBuilder(county), datetime.now(UTC), consented=True).text,
    )
    return tuple(text.partition("\n")[0] for text in texts)
