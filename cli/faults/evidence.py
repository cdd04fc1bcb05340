"""All that both sides wrote down during a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.demo.books import open_books
from cli.demo.figures import Outbound
from cli.demo.simulator import Simulator
from cli.faults.books import Ours, read_ours
from cli.faults.hands import Done
from cli.faults.leaks.sweep import Leak
from cli.faults.operator import Order
from cli.faults.publisher import Published
from deploy.local.environments import CONFIG
from services.subscriptions.domain.answers import Answers
from services.subscriptions.domain.county import County
from services.subscriptions.domain.records import erased
from services.subscriptions.domain.wording import wordings
from shared.municipal.file import read_configuration
from simulator.stalls import Stall


@dataclass(frozen=True)
class Written:
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
    `strays_ready` is how often a replica with a wrong key said that it is ready. `leaks` are places in which something
    personal was found, `searched` how much was looked through.
    """

    outbound: Sequence[Outbound]
    written: Sequence[Written]
    ours: Ours
    published: Sequence[Published]
    loyal: frozenset[int]
    movers: frozenset[int]
    farewells: tuple[str, ...]
    faults: Sequence[Done]
    stalls: Sequence[Stall]
    limit: int
    request_seconds: float
    orders: Sequence[Order] = ()
    sent_again: int = 0
    settled: int = 0
    attempts: Sequence[float] = ()
    waiting: Sequence[tuple[float, float]] = ()
    strays_ready: int = 0
    leaks: Sequence[Leak] = ()
    searched: Mapping[str, int] = field(default_factory=dict)


async def read_theirs(simulator: Simulator) -> tuple[list[Outbound], list[Written]]:
    """The simulator's account: what it accepted, and what its citizens wrote."""
    return await simulator.outbound(), [_written(row) for row in await simulator.inbound()]


async def read_books(url: str) -> Ours:
    async with open_books(url) as books:
        return await read_ours(books)


def farewells() -> tuple[str, ...]:
    """The first lines of the texts that confirm a Stop and an erasure."""
    county = read_configuration(CONFIG / "county.toml", County)
    texts = (wordings(county).farewell.text, erased(Answers(county), datetime.now(UTC), consented=True).text)
    return tuple(text.partition("\n")[0] for text in texts)


def _written(row: dict[str, Any]) -> Written:
    return Written(row["citizen"], row["text"], row["written_at"], row["answered_at"])
